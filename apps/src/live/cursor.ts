// Numbers of events: which are new, which are missing. Pure.
// A Subscription numbers its events from 1 without gaps, so whoever keeps the highest number knows what is missing.

export interface Cursor {
  /** The highest number such that it and every one before it was seen. */
  readonly through: number;
}

/** A Subscription that was just made: nothing before number 1 is owed. */
export const AT_START: Cursor = { through: 0 };

export interface Step {
  readonly cursor: Cursor;
  /** Whether anything in the frame is new. */
  readonly isNew: boolean;
  /** Numbers between what was seen and this frame: to be asked for by `$events`. */
  readonly missing: { readonly from: number; readonly until: number } | undefined;
}

/** What a frame with these `numbers` means after `cursor`. */
export function step(cursor: Cursor, numbers: readonly number[]): Step {
  const first = numbers[0];
  const last = numbers[numbers.length - 1];
  if (first === undefined || last === undefined) return { cursor, isNew: false, missing: undefined };
  if (last <= cursor.through) return { cursor, isNew: false, missing: undefined };
  const missing = first > cursor.through + 1 ? { from: cursor.through + 1, until: first - 1 } : undefined;
  return { cursor: { through: last }, isNew: true, missing };
}

/** What is owed when a handshake or heartbeat says how many events there were. */
export function owed(cursor: Cursor, total: number): { from: number; until: number } | undefined {
  return total > cursor.through ? { from: cursor.through + 1, until: total } : undefined;
}
