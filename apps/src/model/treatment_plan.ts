// The treatment plan as the server reads it: a CarePlan with a hemodialysis activity, and the Goal of the dry weight. Pure.

import { hasCode, localReference } from "../fhir/read";
import { BODY_WEIGHT, HEMODIALYSIS, LOINC, SNOMED, UCUM } from "../fhir/systems";
import type { BundleEntry, CarePlan, Goal } from "../fhir/types";

export interface PlanDraft {
  /** Length of a treatment, in min. */
  readonly minutes: number | undefined;
  /** Treatments a week. */
  readonly perWeek: number | undefined;
  /** Dry weight, in kg. */
  readonly weight: number | undefined;
  readonly note: string;
}

const UNIT_MIN: Readonly<Record<string, number>> = { s: 1 / 60, min: 1, h: 60 };
type Detail = NonNullable<NonNullable<CarePlan["activity"]>[number]["detail"]>;

function isTreatment(detail: Detail | undefined): detail is Detail {
  return hasCode(detail?.code, HEMODIALYSIS, SNOMED);
}

export function plansTreatments(plan: CarePlan): boolean {
  return (
    plan.status === "active" &&
    plan.intent !== "option" &&
    (plan.activity?.some((one) => isTreatment(one.detail)) ?? false)
  );
}

/** The dry weight in kg that a goal in force aims at. */
export function dryWeightOf(goal: Goal): number | undefined {
  if (goal.lifecycleStatus !== "accepted" && goal.lifecycleStatus !== "active") return undefined;
  const target = goal.target?.find(
    (one) => hasCode(one.measure, BODY_WEIGHT, LOINC) && one.detailQuantity?.code === "kg",
  );
  return target?.detailQuantity?.value;
}

/** The goals a plan names. */
export function goalsIn(plan: CarePlan): readonly string[] {
  return (plan.goal ?? []).flatMap((one) => localReference(one.reference) ?? []);
}

export function planDraftOf(plan: CarePlan | undefined, goal: Goal | undefined): PlanDraft {
  const repeat = plan?.activity?.map((one) => one.detail).find(isTreatment)?.scheduledTiming?.repeat;
  const factor = UNIT_MIN[repeat?.durationUnit ?? ""];
  const isWeekly = repeat?.periodUnit === "wk" && (repeat.period ?? 1) === 1;
  return {
    minutes: repeat?.duration !== undefined && factor ? Math.round(repeat.duration * factor) : undefined,
    perWeek: isWeekly ? repeat.frequency : undefined,
    weight: goal && dryWeightOf(goal),
    note: plan?.note?.[0]?.text ?? "",
  };
}

export type PlanProblems = Partial<Record<"minutes" | "perWeek" | "weight", string>>;

export function planProblems(draft: PlanDraft): PlanProblems {
  const problems: PlanProblems = {};
  const { minutes, perWeek, weight } = draft;
  if (minutes === undefined) problems.minutes = "Say how long a treatment takes.";
  else if (!(minutes >= 1 && minutes <= 24 * 60)) problems.minutes = "Between 1 and 1440 minutes.";
  if (perWeek !== undefined && !(Number.isInteger(perWeek) && perWeek >= 1 && perWeek <= 14))
    problems.perWeek = "A whole number from 1 to 14.";
  if (weight !== undefined && !(weight > 0 && weight < 500)) problems.weight = "A weight in kilograms.";
  return problems;
}

/** What is written, all or nothing: the plan, and the goal of the dry weight where there is one. */
export function planEntries(
  patient: string,
  author: string,
  draft: PlanDraft,
  plan: CarePlan | undefined,
  goal: Goal | undefined,
): BundleEntry[] {
  const entries: BundleEntry[] = [];
  const placeholder = "urn:uuid:6f7dd6f2-54a1-4f0f-9a0e-5a3a3c1d9b11";
  let goals = plan?.goal ?? [];
  if (draft.weight === undefined && goal) entries.push(written({ ...goal, lifecycleStatus: "cancelled" }));
  if (draft.weight !== undefined && (!goal || draft.weight !== dryWeightOf(goal))) {
    entries.push(written(goalWith(patient, author, draft.weight, goal), placeholder));
    if (!goal) goals = [...goals, { reference: placeholder }];
  }
  const changed = planWith(patient, author, draft, plan);
  entries.push(written(goals.length ? { ...changed, goal: goals } : changed));
  return entries;
}

function written(resource: CarePlan | Goal, fullUrl?: string): BundleEntry {
  if (!resource.id)
    return {
      ...(fullUrl ? { fullUrl } : {}),
      resource,
      request: { method: "POST", url: resource.resourceType },
    };
  const version = resource.meta?.versionId;
  return {
    resource,
    request: {
      method: "PUT",
      url: `${resource.resourceType}/${resource.id}`,
      ...(version ? { ifMatch: `W/"${version}"` } : {}),
    },
  };
}

function goalWith(patient: string, author: string, weight: number, goal: Goal | undefined): Goal {
  const target = {
    measure: { coding: [{ system: LOINC, code: BODY_WEIGHT, display: "Body weight" }] },
    detailQuantity: { value: weight, unit: "kg", system: UCUM, code: "kg" },
  };
  if (!goal)
    return {
      resourceType: "Goal",
      lifecycleStatus: "active",
      description: { text: "Dry weight" },
      subject: { reference: patient },
      expressedBy: { reference: author },
      target: [target],
    };
  const others = (goal.target ?? []).filter((one) => !hasCode(one.measure, BODY_WEIGHT, LOINC));
  return { ...goal, expressedBy: { reference: author }, target: [target, ...others] };
}

function planWith(patient: string, author: string, draft: PlanDraft, plan: CarePlan | undefined): CarePlan {
  const repeat = {
    duration: draft.minutes ?? 0,
    durationUnit: "min" as const,
    ...(draft.perWeek === undefined
      ? {}
      : { frequency: draft.perWeek, period: 1, periodUnit: "wk" as const }),
  };
  const before = plan ?? {
    resourceType: "CarePlan" as const,
    status: "active" as const,
    intent: "order" as const,
    title: "Home hemodialysis",
    subject: { reference: patient },
  };
  const detail: Detail = plan?.activity?.map((one) => one.detail).find(isTreatment) ?? {
    status: "scheduled",
    code: { coding: [{ system: SNOMED, code: HEMODIALYSIS, display: "Hemodialysis" }] },
  };
  const others = (plan?.activity ?? []).filter((one) => !isTreatment(one.detail));
  const note = draft.note.trim();
  const { note: notes, ...rest } = before as CarePlan;
  const kept = [...(note ? [{ text: note }] : []), ...(notes ?? []).slice(1)];
  return {
    ...rest,
    author: { reference: author },
    ...(kept.length ? { note: kept } : {}),
    activity: [{ detail: { ...detail, scheduledTiming: { repeat } } }, ...others],
  };
}
