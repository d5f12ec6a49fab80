// Whether alarms would reach this screen, told from when the server was last heard. Pure.

/** `starting`: not heard yet. `live`: heard. `late`: a heartbeat is missing. `lost`: show and sound the local alarm. */
export type Connection = "starting" | "live" | "late" | "lost";

export const LATE_AFTER_MS = 15_000;
/** [P] Three heartbeats of ten seconds. */
export const LOST_AFTER_MS = 30_000;

export interface Heard {
  /** When each Subscription for alerts was last heard, by its id: events or heartbeats. */
  readonly lastHeard: ReadonlyMap<string, number>;
  /** When the app began to wait for the first of them. */
  readonly since: number;
}

/** The state at `now`: the Subscription that was silent longest decides. Times are of one monotonic clock, in ms. */
export function connectionAt(heard: Heard, now: number): Connection {
  const times = [...heard.lastHeard.values()];
  const oldest = times.length ? Math.min(...times) : undefined;
  const silent = now - (oldest ?? heard.since);
  if (silent >= LOST_AFTER_MS) return "lost";
  if (oldest === undefined) return "starting";
  return silent >= LATE_AFTER_MS ? "late" : "live";
}

const FIRST_PAUSE_MS = 500;
const LONGEST_PAUSE_MS = 10_000;

/** How long to wait before trying again for the `attempt`-th time (from 1); `chance` is from 0 to 1. */
export function pauseBefore(attempt: number, chance: number): number {
  const pause = Math.min(LONGEST_PAUSE_MS, FIRST_PAUSE_MS * 2 ** (attempt - 1));
  return pause * (0.75 + chance / 2);
}

/** Codes with which the server closes a socket whose Subscriptions are gone: new ones are needed. */
export function needsNewSubscriptions(closeCode: number): boolean {
  return closeCode === 4410 || closeCode === 1008;
}
