import { expect, test } from "vitest";
import type { ServiceRequest } from "../fhir/types";
import { newOrder } from "./monitoring_order";
import { draftOf, signatures, signingProblem } from "./second_signature";

const NOW = Date.parse("2026-05-10T12:00:00Z");
const DRAFT: ServiceRequest = {
  ...newOrder("Patient/ann", "Practitioner/nina", NOW),
  id: "d",
  status: "draft",
  meta: { versionId: "2", lastUpdated: "2026-05-09T00:00:00Z" },
};

test("somebody else than the author signs, and only clinicians", () => {
  expect(signingProblem(DRAFT, "Practitioner/omar")).toBeUndefined();
  expect(signingProblem(DRAFT, "Practitioner/nina")).toContain("somebody else");
  expect(signingProblem(DRAFT, "Patient/ann")).toContain("Only nurses and doctors");
  expect(
    signingProblem({ ...DRAFT, requester: { reference: "Patient/ann" } }, "Practitioner/omar"),
  ).toContain("first");
});

test("two signatures by two people stand under the version that was looked at", () => {
  const provenance = signatures(DRAFT, "Practitioner/omar", NOW);
  expect(provenance.target).toEqual([{ reference: "ServiceRequest/d/_history/2" }]);
  expect(provenance.signature?.map((one) => [one.who.reference, one.when])).toEqual([
    ["Practitioner/nina", "2026-05-09T00:00:00Z"],
    ["Practitioner/omar", "2026-05-10T12:00:00.000Z"],
  ]);
});

test("the draft of a change is a new order that names what it replaces", () => {
  const draft = draftOf({ ...DRAFT, status: "active" });
  expect(draft).toMatchObject({ status: "draft", replaces: [{ reference: "ServiceRequest/d" }] });
  expect(draft.id).toBeUndefined();
  expect(draft.meta).toBeUndefined();
  expect(draftOf(newOrder("Patient/ann", "Practitioner/nina", NOW)).replaces).toBeUndefined();
});
