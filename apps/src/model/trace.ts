// Values as lines on a screen: thinned to what a pixel can show, without losing a peak. Pure.

import type { Series } from "../live/series";

/** Columns for uPlot: times in s, then one list for each series. `undefined`: no value here; `null`: the line breaks. */
export type Columns = [number[], ...(number | null | undefined)[][]];

/** Within a stretch this long, or three of its steps, silence is a hole in the line. */
const LEAST_HOLE_MS = 90_000;

/** The series between `from` and `until`, each in at most two points (its least and greatest) for each of `steps`. */
export function columnsOf(
  series: readonly (Series | undefined)[],
  from: number,
  until: number,
  steps: number,
): Columns {
  const width = (until - from) / steps;
  const hole = Math.max(LEAST_HOLE_MS, width * 3);
  const lines = series.map((one) =>
    one ? thinned(one, from, until, width, hole) : new Map<number, number | null>(),
  );
  const times = [...new Set(lines.flatMap((line) => [...line.keys()]))].sort((a, b) => a - b);
  return [times.map((time) => time / 1000), ...lines.map((line) => times.map((time) => line.get(time)))];
}

function thinned(
  series: Series,
  from: number,
  until: number,
  width: number,
  hole: number,
): Map<number, number | null> {
  const line = new Map<number, number | null>();
  // One value before the stretch, so that a line comes in from the left.
  let index = Math.max(0, series.indexFrom(from) - 1);
  let before: number | undefined;
  while (index < series.length && series.timeAt(index) <= until) {
    const step = Math.floor((series.timeAt(index) - from) / width);
    let low = index;
    let high = index;
    let next = index + 1;
    while (next < series.length && Math.floor((series.timeAt(next) - from) / width) === step) {
      if (series.valueAt(next) < series.valueAt(low)) low = next;
      if (series.valueAt(next) > series.valueAt(high)) high = next;
      next += 1;
    }
    const start = series.timeAt(index);
    if (before !== undefined && start - before > hole) line.set((before + start) / 2, null);
    for (const at of low < high ? [low, high] : low > high ? [high, low] : [low]) {
      line.set(series.timeAt(at), series.valueAt(at));
    }
    before = series.timeAt(next - 1);
    index = next;
  }
  return line;
}
