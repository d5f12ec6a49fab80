// How a person answers a page, and who may. Pure. The server decides; this only offers what has a chance.

import type { Person } from "../smart/person";
import type { Task } from "../fhir/types";
import { isIncident, pageOf, type Page } from "./alerts";

export interface Offer {
  readonly status: Task["status"];
  readonly label: string;
  /** Said once the server has committed it. */
  readonly done: string;
  readonly kind: "main" | undefined;
}

const SEEN: Offer = {
  status: "received",
  label: "I have seen it",
  done: "Seen is recorded. Others go on being called.",
  kind: undefined,
};
const COMING: Offer = {
  status: "accepted",
  label: "I am coming",
  done: "You are coming: the next call waits for at most a minute.",
  kind: undefined,
};
const CANNOT: Offer = {
  status: "rejected",
  label: "I cannot",
  done: "The next person is called now.",
  kind: undefined,
};
const THERE: Offer = {
  status: "completed",
  label: "I am at the patient",
  done: "You are at the patient. You will be asked again in two minutes.",
  kind: "main",
};

/** What this person may answer. A patient has only "seen": nobody ends their own alarm from the chair. */
export function offersFor(person: Person): readonly Offer[] {
  return person.role === "self" ? [SEEN] : [THERE, COMING, CANNOT, SEEN];
}

/** The pages of `incident` this person may answer: their own, and for the clinic a colleague's; the newest first. */
export function answerablePages(tasks: readonly Task[], incidents: readonly Task[], person: Person): Page[] {
  const open = new Set(incidents.map((one) => `Task/${one.id}`));
  return tasks
    .flatMap((one) => pageOf(one) ?? [])
    .filter((one) => open.has(one.incident ?? "") && one.answer !== "ended" && one.answer !== "failed")
    .filter(
      (one) => one.owner === person.reference || (person.role === "clinic" && isProfessional(one.owner)),
    )
    .sort(
      (a, b) =>
        Number(b.owner === person.reference) - Number(a.owner === person.reference) || b.told - a.told,
    );
}

/** Incidents of `patient` that are not over. */
export function openIncidents(tasks: readonly Task[], patient: string): Task[] {
  return tasks.filter(
    (one) =>
      isIncident(one) &&
      one.for?.reference?.endsWith(patient) === true &&
      !["completed", "cancelled", "failed", "entered-in-error"].includes(one.status),
  );
}

/** [P] Why an incident is closed, as reasons are chosen most often. */
export const CLOSING_REASONS = [
  "Somebody is with the patient and all is well",
  "The patient was treated",
  "Checked by telephone with somebody at the patient",
  "The machine or a sensor was wrong",
] as const;

function isProfessional(reference: string | undefined): boolean {
  return /^Practitioner(Role)?\//.test(reference ?? "");
}
