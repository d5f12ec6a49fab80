import { describe, expect, it } from "vitest";
import { Series } from "../live/series";
import { columnsOf } from "./trace";

const series = (...points: [number, number][]): Series => {
  const made = new Series(10_000);
  for (const [time, value] of points) made.add(time, value);
  return made;
};

describe("columnsOf", () => {
  it("keeps every value where there is room", () => {
    const [times, values] = columnsOf([series([1000, 5], [2000, 6], [3000, 7])], 0, 10_000, 100);
    expect(times).toEqual([1, 2, 3]);
    expect(values).toEqual([5, 6, 7]);
  });

  it("keeps the peak and the trough of what falls into one step", () => {
    const many = series(
      ...Array.from({ length: 600 }, (_, at): [number, number] => [
        at * 1000,
        at === 77 ? -40 : at === 99 ? 300 : 100,
      ]),
    );
    const [times, values] = columnsOf([many], 0, 600_000, 10);
    expect(times.length).toBeLessThanOrEqual(20);
    expect(values).toContain(300);
    expect(values).toContain(-40);
  });

  it("aligns several series without inventing values", () => {
    const [times, one, two] = columnsOf([series([1000, 1]), series([2000, 2])], 0, 10_000, 10);
    expect(times).toEqual([1, 2]);
    expect(one).toEqual([1, undefined]);
    expect(two).toEqual([undefined, 2]);
  });

  it("breaks the line where nothing was measured for long", () => {
    const [, values] = columnsOf([series([0, 1], [1000, 1], [300_000, 2])], 0, 400_000, 400);
    expect(values).toEqual([1, 1, null, 2]);
  });

  it("is empty without values", () => {
    expect(columnsOf([undefined], 0, 1000, 10)).toEqual([[], []]);
  });
});
