// How old a value is, and what may be said of it. Pure. Nothing is ever called normal; what is old says since when.

export type Freshness = "fresh" | "stale" | "none";

/** Whether a value of `time` says something about `now`; both by the server's clock, in ms. */
export function freshnessOf(time: number | undefined, now: number, interval: number): Freshness {
  if (time === undefined) return "none";
  return now - time <= interval ? "fresh" : "stale";
}

/** `12 s`, `3 min`, `2 h 05 min`, `3 days`: for people; never negative. */
export function ageText(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return `${seconds} s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return `${minutes} min`;
  const hours = Math.floor(minutes / 60);
  if (hours < 48) return `${hours} h ${String(minutes % 60).padStart(2, "0")} min`;
  return `${Math.floor(hours / 24)} days`;
}

/** `1 h 05 min` or `35 min` of a number of minutes. */
export function durationText(minutes: number): string {
  const whole = Math.max(0, Math.round(minutes));
  return whole < 60
    ? `${whole} min`
    : `${Math.floor(whole / 60)} h ${String(whole % 60).padStart(2, "0")} min`;
}
