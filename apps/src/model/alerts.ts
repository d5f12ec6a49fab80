// Alerts (Flag), and what people do about them (Task): who was told, who comes. Pure.

import { codeIn, extensionOf, hasCode, localReference, textOf, timeOf } from "../fhir/read";
import { EXTENSION, PAGE_INPUT, TASK } from "../fhir/systems";
import type { Flag, Task } from "../fhir/types";

export type Priority = "PH" | "PM" | "PL";

export interface Alert {
  readonly id: string;
  readonly patient: string | undefined;
  readonly priority: Priority;
  readonly label: string;
  readonly start: number;
  readonly end: number | undefined;
  readonly isActive: boolean;
  /** Whether what caused it goes on; the alert stays until a person ends it. */
  readonly presence: string | undefined;
  readonly incident: string | undefined;
  readonly isTest: boolean;
}

const RANK: Readonly<Record<Priority, number>> = { PH: 3, PM: 2, PL: 1 };

export function rankOf(priority: Priority | undefined): number {
  return priority ? RANK[priority] : 0;
}

export const PRIORITY_WORDS: Readonly<Record<Priority, string>> = {
  PH: "Go now",
  PM: "Check soon",
  PL: "For the list",
};

export function alertOf(flag: Flag): Alert {
  const concept = extensionOf(flag, EXTENSION.priority)?.valueCodeableConcept;
  const code = concept?.coding?.find((one) => one.code && one.code in RANK)?.code as Priority | undefined;
  return {
    id: flag.id ?? "",
    patient: localReference(flag.subject?.reference),
    // A Flag whose priority cannot be read is shown as what is looked at soon.
    priority: code ?? "PM",
    label: sentence(textOf(flag.code) ?? "alert"),
    start: timeOf(flag.period?.start) ?? timeOf(flag.meta?.lastUpdated) ?? 0,
    end: timeOf(flag.period?.end),
    isActive: flag.status === "active",
    presence: extensionOf(flag, EXTENSION.presence)?.valueCode,
    incident: extensionOf(flag, EXTENSION.incident)?.valueString,
    isTest: flag.meta?.security?.some((one) => one.code === "HTEST") ?? false,
  };
}

/** Open alerts first, then the more urgent, then the older. */
export function byUrgency(a: Alert, b: Alert): number {
  return (
    Number(b.isActive) - Number(a.isActive) || rankOf(b.priority) - rankOf(a.priority) || a.start - b.start
  );
}

export type Answer = "none" | "seen" | "coming" | "cannot" | "there" | "paused" | "ended" | "failed";

export interface Page {
  readonly id: string;
  readonly incident: string | undefined;
  readonly patient: string | undefined;
  readonly owner: string | undefined;
  readonly answer: Answer;
  readonly isTest: boolean;
  readonly told: number;
  readonly changed: number;
  /** By when an answer is hoped for. */
  readonly due: number | undefined;
  readonly channels: readonly string[];
}

const ANSWERS: Readonly<Record<string, Answer>> = {
  requested: "none",
  received: "seen",
  accepted: "coming",
  rejected: "cannot",
  completed: "there",
  "on-hold": "paused",
  cancelled: "ended",
  failed: "failed",
};

export const ANSWER_WORDS: Readonly<Record<Answer, string>> = {
  none: "was told, no answer yet",
  seen: "has seen it",
  coming: "is coming",
  cannot: "cannot come",
  there: "is at the patient",
  paused: "asked for a pause",
  ended: "is not asked any more",
  failed: "could not be reached",
};

export function isIncident(task: Task): boolean {
  return hasCode(task.code, "incident", TASK);
}

/** The page a Task is; undefined for any other Task. */
export function pageOf(task: Task): Page | undefined {
  if (!hasCode(task.code, "page", TASK)) return undefined;
  const inputs = (code: string) => task.input?.filter((one) => codeIn(one.type, PAGE_INPUT) === code) ?? [];
  const told = timeOf(task.authoredOn) ?? 0;
  return {
    id: task.id ?? "",
    incident: localReference(task.partOf?.[0]?.reference),
    patient: localReference(task.for?.reference),
    owner: localReference(task.owner?.reference),
    answer: ANSWERS[task.status] ?? "none",
    isTest: inputs("purpose").some((one) => one.valueCode === "test"),
    told,
    // An answer is a new version; not every server moves lastModified with it.
    changed: Math.max(timeOf(task.meta?.lastUpdated) ?? 0, timeOf(task.lastModified) ?? 0, told),
    due: timeOf(extensionOf(task, EXTENSION.requestedPeriod)?.valuePeriod?.end),
    channels: inputs("channel").flatMap((one) => (one.valueCode ? [one.valueCode] : [])),
  };
}

const STRENGTH: readonly Answer[] = [
  "failed",
  "ended",
  "cannot",
  "none",
  "paused",
  "seen",
  "coming",
  "there",
];

/** The page that says most about help: at the patient, coming, seen; of equals the newest. */
export function bestPage(pages: readonly Page[]): Page | undefined {
  return pages
    .filter((one) => !one.isTest)
    .reduce<Page | undefined>((best, one) => {
      if (!best) return one;
      const difference = STRENGTH.indexOf(one.answer) - STRENGTH.indexOf(best.answer);
      return difference > 0 || (difference === 0 && one.changed > best.changed) ? one : best;
    }, undefined);
}

/** The page that says most of each person, those who help first. Test pages and withdrawn ones are left out. */
export function toldPeople(pages: readonly Page[]): Page[] {
  const owners = [...new Set(pages.map((one) => one.owner))];
  return owners
    .flatMap((owner) => bestPage(pages.filter((one) => one.owner === owner && one.answer !== "ended")) ?? [])
    .sort((a, b) => STRENGTH.indexOf(b.answer) - STRENGTH.indexOf(a.answer) || a.told - b.told);
}

/** `Rosa is coming`, `You are coming`: what a person did, as a sentence. */
export function answerSentence(name: string, answer: Answer): string {
  const words = ANSWER_WORDS[answer];
  if (name !== "you") return `${sentence(name)} ${words}`;
  return `You ${words.replace(/^is /, "are ").replace(/^has /, "have ").replace(/^was /, "were ")}`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
