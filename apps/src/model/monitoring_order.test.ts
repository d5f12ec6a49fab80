import { expect, test } from "vitest";
import { EXTENSION, LOINC } from "../fhir/systems";
import type { Extension, ServiceRequest } from "../fhir/types";
import {
  freeId,
  isMonitoringOrder,
  newOrder,
  ruleProblems,
  rulesIn,
  ruleWords,
  typedNumber,
  withoutRule,
  withRule,
  type RuleDraft,
} from "./monitoring_order";

const NOW = Date.parse("2026-05-10T12:00:00Z");
const DRAFT: RuleDraft = {
  id: "own-systolic",
  quantity: "systolic",
  low: 100,
  high: undefined,
  priority: "PH",
  sustained: undefined,
  hysteresis: 5,
};
const EMPTY = newOrder("Patient/ann", "Practitioner/nina", NOW);

test("a new limit is read back as it was meant, with codes and units of the server", () => {
  const order = withRule(EMPTY, DRAFT, "Practitioner/nina");
  expect(isMonitoringOrder(order)).toBe(true);
  expect(rulesIn(order)).toEqual([{ ...DRAFT, label: "Systolic blood pressure", hasMore: false }]);
  const parts = order.extension?.[0]?.extension ?? [];
  expect(parts.find((one) => one.url === "parameter")?.valueCodeableConcept?.coding).toEqual([
    { system: LOINC, code: "8480-6" },
  ]);
  expect(parts.find((one) => one.url === "limit")?.valueRange).toEqual({
    low: { value: 100, unit: "mmHg", system: "http://unitsofmeasure.org", code: "mm[Hg]" },
  });
});

test("a changed rule keeps what the form does not show, and stands where it stood", () => {
  const floor: Extension = { url: "floor", valueRange: { low: { value: 80 } } };
  const before: ServiceRequest = {
    ...EMPTY,
    extension: [
      {
        url: EXTENSION.rule,
        extension: [...(withRule(EMPTY, DRAFT, "x").extension![0]!.extension ?? []), floor],
      },
      { url: EXTENSION.rule, extension: [{ url: "id", valueId: "other" }] },
    ],
  };
  const after = withRule(before, { ...DRAFT, low: 95, hysteresis: undefined }, "Practitioner/omar");
  expect(after.extension).toHaveLength(2);
  expect(after.extension?.[0]?.extension).toContainEqual(floor);
  expect(rulesIn(after)[0]).toMatchObject({ low: 95, hysteresis: undefined, hasMore: true });
  expect(after.requester).toEqual({ reference: "Practitioner/omar" });
  expect(rulesIn(before)[0]?.low).toBe(100);
});

test("taking the last rule away revokes the order, and one of two leaves the other", () => {
  const one = withRule(EMPTY, DRAFT, "Practitioner/nina");
  const two = withRule(one, { ...DRAFT, id: "own-venous", quantity: "venous" }, "Practitioner/nina");
  expect(rulesIn(withoutRule(two, "own-systolic", "x")).map((rule) => rule.id)).toEqual(["own-venous"]);
  expect(withoutRule(two, "own-systolic", "x").status).toBe("active");
  const last = withoutRule(one, "own-systolic", "x");
  expect(last.status).toBe("revoked");
  expect(rulesIn(last)).toHaveLength(1);
});

test("a new rule gets a name that is free", () => {
  const order = withRule(EMPTY, DRAFT, "x");
  expect(freeId(undefined, "systolic")).toBe("own-systolic");
  expect(freeId(order, "systolic")).toBe("own-systolic-2");
  expect(freeId(order, "venous")).toBe("own-venous");
});

test.each([
  [{ low: undefined }, "low"],
  [{ low: Number.NaN }, "low"],
  [{ low: 100, high: 100 }, "high"],
  [{ high: Number.NaN }, "high"],
  [{ sustained: -1 }, "sustained"],
  [{ sustained: Number.NaN }, "sustained"],
  [{ hysteresis: -2 }, "hysteresis"],
])("%j is refused at the field", (change, field) => {
  expect(Object.keys(ruleProblems({ ...DRAFT, ...change }))).toEqual([field]);
});

test("a good limit has no problems", () => {
  expect(ruleProblems({ ...DRAFT, high: 180, sustained: 10 })).toEqual({});
});

test("numbers are read with a point or a comma, nothing is no zero", () => {
  expect(typedNumber(" 1,5 ")).toBe(1.5);
  expect(typedNumber("")).toBeUndefined();
  expect(typedNumber("ten")).toBeNaN();
});

test("durations in minutes are read as seconds; an unknown quantity is named by its code", () => {
  const order: ServiceRequest = {
    ...EMPTY,
    extension: [
      {
        url: EXTENSION.rule,
        extension: [
          { url: "id", valueId: "a" },
          { url: "parameter", valueCodeableConcept: { coding: [{ system: LOINC, code: "1-8" }] } },
          { url: "sustained-for", valueDuration: { value: 2, code: "min" } },
        ],
      },
    ],
  };
  expect(rulesIn(order)[0]).toMatchObject({
    sustained: 120,
    quantity: undefined,
    label: "1-8",
    priority: "PM",
  });
});

test("a rule is told in words", () => {
  const [rule] = rulesIn(withRule(EMPTY, { ...DRAFT, high: 180, sustained: 10 }, "x"));
  expect(ruleWords(rule!)).toBe("below 100 or above 180 mmHg, for 10 s: go now (high)");
});
