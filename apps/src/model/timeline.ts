// What happened, in order: alerts that began and ended, who was told, what they answered. Pure.

import { timeOf, localReference } from "../fhir/read";
import type { Flag, Task } from "../fhir/types";
import { alertOf, ANSWER_WORDS, pageOf, PRIORITY_WORDS, type Priority } from "./alerts";

export interface Happening {
  readonly time: number;
  readonly kind: "alert" | "end" | "told" | "answer" | "closed";
  readonly priority: Priority | undefined;
  /** What happened; `{who}` stands for `who`. */
  readonly text: string;
  readonly who: string | undefined;
  /** Id of the Flag it is about, where it is about one. */
  readonly flag: string | undefined;
}

/** Happenings of one patient, the newest first. Test pages are none. */
export function timelineOf(flags: readonly Flag[], tasks: readonly Task[], patient: string): Happening[] {
  const found: Happening[] = [];
  for (const flag of flags) {
    const alert = alertOf(flag);
    if (alert.patient !== patient) continue;
    const about = { priority: alert.priority, who: undefined, flag: alert.id };
    const words = PRIORITY_WORDS[alert.priority].toLowerCase();
    found.push({ ...about, time: alert.start, kind: "alert", text: `${alert.label} (${words})` });
    if (alert.end !== undefined)
      found.push({ ...about, time: alert.end, kind: "end", text: `Over: ${alert.label}` });
  }
  for (const task of tasks) {
    const page = pageOf(task);
    if (page && page.patient === patient && !page.isTest) {
      const flag = localReference(task.focus?.reference)?.replace("Flag/", "");
      const about = { priority: undefined, who: page.owner, flag };
      found.push({ ...about, time: page.told, kind: "told", text: told(page.channels) });
      if (page.answer !== "none") {
        found.push({
          ...about,
          time: page.changed,
          kind: "answer",
          text: `{who} ${ANSWER_WORDS[page.answer]}`,
        });
      }
    } else if (!page && localReference(task.for?.reference) === patient && task.status === "completed") {
      const time = timeOf(task.lastModified);
      const reason = task.statusReason?.text;
      if (time !== undefined && reason) {
        found.push({
          time,
          kind: "closed",
          priority: undefined,
          text: `Closed: ${reason}`,
          who: undefined,
          flag: undefined,
        });
      }
    }
  }
  return found.sort((a, b) => b.time - a.time);
}

const CHANNELS: Readonly<Record<string, string>> = { sms: "text", voice: "call" };

function told(channels: readonly string[]): string {
  const ways = [...new Set(channels)].map((one) => CHANNELS[one] ?? one);
  return ways.length ? `{who} is told by ${ways.join(" and ")}` : "{who} is told";
}
