import { expect, test } from "vitest";
import type { Provenance, ServiceRequest } from "../fhir/types";
import { newOrder, withoutRule, withRule, type RuleDraft } from "./monitoring_order";
import { changesOf } from "./rule_history";

const DRAFT: RuleDraft = {
  id: "own-systolic",
  quantity: "systolic",
  low: 100,
  high: undefined,
  priority: "PH",
  sustained: undefined,
  hysteresis: undefined,
};

function version(order: ServiceRequest, versionId: string): ServiceRequest {
  return { ...order, id: "x", meta: { versionId, lastUpdated: `2026-05-0${versionId}T00:00:00Z` } };
}

const FIRST = withRule(newOrder("Patient/ann", "Practitioner/nina", 0), DRAFT, "Practitioner/nina");
const SECOND = withRule(FIRST, { ...DRAFT, low: 95 }, "Practitioner/omar");
const VERSIONS = [
  version(SECOND, "2"),
  version(withoutRule(SECOND, "own-systolic", "Practitioner/nina"), "3"),
  version(FIRST, "1"),
];

test("changes stand newest first, each with who, when and what", () => {
  const changes = changesOf(VERSIONS, []);
  expect(changes.map((one) => [one.version, one.who])).toEqual([
    ["ServiceRequest/x/_history/3", "Practitioner/nina"],
    ["ServiceRequest/x/_history/2", "Practitioner/omar"],
    ["ServiceRequest/x/_history/1", "Practitioner/nina"],
  ]);
  expect(changes[0]?.what).toEqual(["The order is revoked: the default limits hold."]);
  expect(changes[1]?.what).toEqual([
    "Systolic blood pressure: was below 100 mmHg: go now (high); is below 95 mmHg: go now (high).",
  ]);
  expect(changes[2]?.what).toEqual([
    "The order is in force.",
    "New: Systolic blood pressure below 100 mmHg: go now (high).",
  ]);
  expect(changes[1]?.time).toBe(Date.parse("2026-05-02T00:00:00Z"));
});

test("a rule that is taken away is told", () => {
  const two = withRule(SECOND, { ...DRAFT, id: "own-venous", quantity: "venous" }, "Practitioner/nina");
  const changes = changesOf([version(two, "1"), version(SECOND, "2")], []);
  expect(changes[0]?.what).toEqual(["Taken away: Venous pressure below 100 mmHg: go now (high)."]);
});

test("a version in which nothing changed is none, unless it was signed", () => {
  const signed: Provenance = {
    resourceType: "Provenance",
    target: [{ reference: "ServiceRequest/x/_history/2" }],
    recorded: "2026-05-02T00:00:00Z",
    agent: [],
    signature: ["Practitioner/nina", "Practitioner/omar"].map((reference) => ({
      type: [],
      when: "2026-05-02T00:00:00Z",
      who: { reference },
    })),
  };
  const same = [version(FIRST, "1"), version(FIRST, "2")];
  expect(changesOf(same, [])).toHaveLength(1);
  expect(changesOf(same, [signed])[0]?.signed).toEqual(["Practitioner/nina", "Practitioner/omar"]);
});

test("a signature of the draft belongs to the draft alone", () => {
  const draft: ServiceRequest = { ...FIRST, status: "draft" };
  const signed: Provenance = {
    resourceType: "Provenance",
    target: [{ reference: "ServiceRequest/x" }],
    recorded: "2026-05-02T00:00:00Z",
    agent: [],
    signature: [{ type: [], when: "", who: { reference: "Practitioner/omar" } }],
  };
  const changes = changesOf([version(draft, "1"), version(FIRST, "2")], [signed]);
  expect(changes.map((one) => one.signed)).toEqual([[], ["Practitioner/omar"]]);
});
