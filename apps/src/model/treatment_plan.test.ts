import { expect, test } from "vitest";
import type { CarePlan, Goal } from "../fhir/types";
import { dryWeightOf, planDraftOf, planEntries, planProblems, plansTreatments } from "./treatment_plan";

const DRAFT = { minutes: 240, perWeek: 4, weight: 75.5, note: "Left arm" };

function made(): { plan: CarePlan; goal: Goal } {
  const [goal, plan] = planEntries("Patient/ann", "Practitioner/nina", DRAFT, undefined, undefined);
  return {
    goal: { ...(goal!.resource as Goal), id: "g", meta: { versionId: "1" } },
    plan: { ...(plan!.resource as CarePlan), id: "p", meta: { versionId: "3" } },
  };
}

test("a new plan is read back as it was meant, and names its goal", () => {
  const [goal, plan] = planEntries("Patient/ann", "Practitioner/nina", DRAFT, undefined, undefined);
  expect(goal?.request).toEqual({ method: "POST", url: "Goal" });
  expect((plan?.resource as CarePlan).goal).toEqual([{ reference: goal?.fullUrl }]);
  expect(plansTreatments(plan?.resource as CarePlan)).toBe(true);
  expect(planDraftOf(plan?.resource as CarePlan, goal?.resource as Goal)).toEqual(DRAFT);
});

test("a change is written over the versions it was made from; a weight that stays is not written", () => {
  const { plan, goal } = made();
  const entries = planEntries("Patient/ann", "Practitioner/nina", { ...DRAFT, minutes: 300 }, plan, goal);
  expect(entries.map((one) => one.request)).toEqual([{ method: "PUT", url: "CarePlan/p", ifMatch: 'W/"3"' }]);
  const heavier = planEntries("Patient/ann", "Practitioner/nina", { ...DRAFT, weight: 76 }, plan, goal);
  expect(heavier[0]?.request).toEqual({ method: "PUT", url: "Goal/g", ifMatch: 'W/"1"' });
  expect(dryWeightOf(heavier[0]?.resource as Goal)).toBe(76);
});

test("a weight that is taken away ends its goal", () => {
  const { plan, goal } = made();
  const [ended] = planEntries("Patient/ann", "x", { ...DRAFT, weight: undefined }, plan, goal);
  expect((ended?.resource as Goal).lifecycleStatus).toBe("cancelled");
  expect(dryWeightOf(ended?.resource as Goal)).toBeUndefined();
});

test("other activities and notes of a plan stay", () => {
  const { plan } = made();
  const other = { detail: { status: "scheduled" as const, description: "Exercise" } };
  const before = {
    ...plan,
    activity: [...(plan.activity ?? []), other],
    note: [{ text: "a" }, { text: "b" }],
  };
  const [entry] = planEntries(
    "Patient/ann",
    "x",
    { ...DRAFT, weight: undefined, note: "" },
    before,
    undefined,
  );
  const after = entry?.resource as CarePlan;
  expect(after.activity).toContainEqual(other);
  expect(after.activity).toHaveLength(2);
  expect(after.note).toEqual([{ text: "b" }]);
});

test("hours are read as minutes, missing as missing", () => {
  const { plan } = made();
  plan.activity![0]!.detail!.scheduledTiming!.repeat = { duration: 3.5, durationUnit: "h" };
  expect(planDraftOf(plan, undefined)).toMatchObject({ minutes: 210, perWeek: undefined, weight: undefined });
});

test.each([
  [{ minutes: undefined }, "minutes"],
  [{ minutes: 1441 }, "minutes"],
  [{ perWeek: 2.5 }, "perWeek"],
  [{ weight: 0 }, "weight"],
  [{ weight: Number.NaN }, "weight"],
])("%j is refused at the field", (change, field) => {
  expect(Object.keys(planProblems({ ...DRAFT, ...change }))).toEqual([field]);
});

test("a good plan has no problems", () => {
  expect(planProblems({ ...DRAFT, perWeek: undefined, weight: undefined })).toEqual({});
});
