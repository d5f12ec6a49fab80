// The rows of the clinic's list: one for each patient, sorted by urgency. Pure.

import { localReference, nameOf, timeOf } from "../fhir/read";
import type { Flag, Patient, Procedure, Task } from "../fhir/types";
import { alertOf, bestPage, byUrgency, isIncident, pageOf, rankOf, type Alert, type Page } from "./alerts";

export interface Row {
  /** `Patient/id`. */
  readonly patient: string;
  readonly name: string;
  readonly alerts: readonly Alert[];
  /** The most urgent open alert. */
  readonly top: Alert | undefined;
  /** Who helps, as far as anybody does. */
  readonly help: Page | undefined;
  readonly pages: readonly Page[];
  readonly treatment: { readonly reference: string; readonly start: number | undefined } | undefined;
}

export interface RosterInput {
  readonly patients: readonly Patient[];
  readonly flags: readonly Flag[];
  readonly tasks: readonly Task[];
  readonly procedures: readonly Procedure[];
}

/** One row for each patient, the most urgent first. */
export function rosterOf(input: RosterInput): Row[] {
  const alerts = grouped(
    input.flags.map(alertOf).filter((one) => one.isActive),
    (one) => one.patient,
  );
  const openIncidents = new Set(
    input.tasks.filter((one) => isIncident(one) && isOpen(one)).map((one) => `Task/${one.id}`),
  );
  const pages = grouped(
    input.tasks.flatMap((one) => pageOf(one) ?? []).filter((one) => openIncidents.has(one.incident ?? "")),
    (one) => one.patient,
  );
  const treatments = new Map<string, Procedure>();
  for (const one of input.procedures) {
    const patient = localReference(one.subject?.reference);
    if (patient && one.status === "in-progress") treatments.set(patient, one);
  }
  return input.patients
    .filter((one) => one.active !== false)
    .map((one) => {
      const patient = `Patient/${one.id}`;
      const open = (alerts.get(patient) ?? []).sort(byUrgency);
      const told = pages.get(patient) ?? [];
      const treatment = treatments.get(patient);
      return {
        patient,
        name: nameOf(one.name) ?? "No name",
        alerts: open,
        top: open[0],
        help: bestPage(told),
        pages: told,
        treatment: treatment && {
          reference: `Procedure/${treatment.id}`,
          start: timeOf(treatment.performedPeriod?.start),
        },
      };
    })
    .sort(bySeverity);
}

/** High priority first, and among equals those nobody helps; then the oldest alert; treatments before the others; names. */
export function bySeverity(a: Row, b: Row): number {
  return (
    rankOf(b.top?.priority) - rankOf(a.top?.priority) ||
    helpRank(a) - helpRank(b) ||
    (a.top?.start ?? 0) - (b.top?.start ?? 0) ||
    Number(b.treatment !== undefined) - Number(a.treatment !== undefined) ||
    a.name.localeCompare(b.name)
  );
}

function helpRank(row: Row): number {
  if (!row.top) return 0;
  return row.help?.answer === "there" ? 2 : row.help?.answer === "coming" ? 1 : 0;
}

function isOpen(task: Task): boolean {
  return !["completed", "cancelled", "failed", "rejected", "entered-in-error"].includes(task.status);
}

function grouped<T>(list: readonly T[], keyOf: (one: T) => string | undefined): Map<string, T[]> {
  const groups = new Map<string, T[]>();
  for (const one of list) {
    const key = keyOf(one);
    if (key === undefined) continue;
    const group = groups.get(key);
    if (group) group.push(one);
    else groups.set(key, [one]);
  }
  return groups;
}
