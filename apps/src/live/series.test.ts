import { describe, expect, it } from "vitest";
import { Series } from "./series";

const all = (series: Series) =>
  Array.from({ length: series.length }, (_, index) => [series.timeAt(index), series.valueAt(index)]);

describe("Series", () => {
  it("keeps values in order of time, also late ones", () => {
    const series = new Series(5);
    series.add(1, 10);
    series.add(3, 30);
    series.add(2, 20);
    expect(all(series)).toEqual([
      [1, 10],
      [2, 20],
      [3, 30],
    ]);
    expect(series.lastValue).toBe(30);
  });

  it("takes a value for a time it knows as a correction", () => {
    const series = new Series(5);
    series.add(1, 10);
    series.add(1, 11);
    expect(all(series)).toEqual([[1, 11]]);
  });

  it("forgets the oldest beyond its bound, for ever", () => {
    const series = new Series(3);
    for (let time = 0; time < 100; time += 1) series.add(time, time * 2);
    expect(all(series)).toEqual([
      [97, 194],
      [98, 196],
      [99, 198],
    ]);
    series.add(1, 1);
    expect(series.length).toBe(3);
    expect(series.timeAt(0)).toBe(97);
  });

  it("finds where a time begins", () => {
    const series = new Series(5);
    [10, 20, 30].forEach((time) => series.add(time, 0));
    expect(series.indexFrom(20)).toBe(1);
    expect(series.indexFrom(21)).toBe(2);
    expect(series.indexFrom(99)).toBe(3);
  });

  it("agrees with a sorted list, whatever comes in whatever order", () => {
    const series = new Series(50);
    const known = new Map<number, number>();
    let seed = 7;
    for (let turn = 0; turn < 40; turn += 1) {
      seed = (seed * 1103515245 + 12345) % 2147483648;
      const time = seed % 60;
      series.add(time, turn);
      known.set(time, turn);
    }
    expect(all(series)).toEqual([...known].sort((a, b) => a[0] - b[0]));
  });
});
