// Which sound this screen makes. Pure.

import type { Connection } from "../live/connection";
import type { Row } from "./roster";

/** What somebody at this screen silenced, here and nowhere else. */
export interface Silenced {
  readonly until: number;
  /** Ids of the alerts that were open then: a new one sounds at once. */
  readonly alerts: ReadonlySet<string>;
}

/** [P] Nobody silences a screen for longer. */
export const SILENCE_MS = 120_000;

/** The lost connection before everything; then high priority for which nobody is at the patient. */
export function soundAt(
  connection: Connection,
  rows: readonly Row[],
  silenced: Silenced | undefined,
  now: number,
): "lost" | "high" | undefined {
  const isSilent = silenced !== undefined && now < silenced.until;
  const ringing = ringingAlerts(rows);
  if (ringing.some((id) => !isSilent || !silenced.alerts.has(id)))
    return connection === "lost" ? "lost" : "high";
  return connection === "lost" && !isSilent ? "lost" : undefined;
}

/** Ids of alerts of high priority that nobody is at the patient for. */
export function ringingAlerts(rows: readonly Row[]): string[] {
  return rows
    .filter((row) => row.help?.answer !== "there")
    .flatMap((row) => row.alerts.filter((one) => one.priority === "PH" && one.isActive).map((one) => one.id));
}
