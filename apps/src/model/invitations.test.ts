import { expect, test } from "vitest";
import type { Parameters } from "../fhir/types";
import { invitationsOf, inviteNotice, joinLink, offersOf, standingOf } from "./invitations";

const NOW = Date.parse("2026-05-10T12:00:00Z");

function invitation(id: string, patient: string, more: Record<string, string> = {}) {
  return {
    name: "invitation",
    part: [
      { name: "id", valueId: id },
      { name: "as", valueCode: "care-partner" },
      { name: "patient", valueReference: { reference: patient } },
      { name: "created", valueInstant: `2026-05-0${id}T12:00:00Z` },
      { name: "expires", valueInstant: `2026-05-1${id}T00:00:00Z` },
      ...Object.entries(more).map(([name, valueInstant]) => ({ name, valueInstant })),
    ],
  };
}

test("invitations of this patient alone, newest first, each with what became of it", () => {
  const answer: Parameters = {
    resourceType: "Parameters",
    parameter: [
      invitation("0", "Patient/ann"),
      invitation("2", "Patient/joe"),
      invitation("3", "Patient/ann", { accepted: "2026-05-04T00:00:00Z" }),
      invitation("5", "Patient/ann", { withdrawn: "2026-05-06T00:00:00Z" }),
      invitation("7", "Patient/ann"),
    ],
  };
  const found = invitationsOf(answer, "Patient/ann", NOW);
  expect(found.map((one) => [one.id, one.state])).toEqual([
    ["7", "open"],
    ["5", "withdrawn"],
    ["3", "used"],
    ["0", "over"],
  ]);
});

test("what somebody may offer follows from what they are to the team", () => {
  expect(offersOf(standingOf("self", false))).toEqual(["care-partner", "peer"]);
  expect(offersOf(standingOf("family", false))).toEqual(["care-partner"]);
  expect(offersOf(standingOf("clinic", true))).not.toContain("guardian");
  expect(offersOf(standingOf("clinic", false))).toContain("guardian");
  expect(offersOf(standingOf("clinic", false))).not.toContain("peer");
});

test("who may not, as far as is known here, is told why", () => {
  expect(inviteNotice("owner")).toBeUndefined();
  expect(inviteNotice("patient")).toBeUndefined();
  expect(inviteNotice("clinic")).toContain("administrators");
  expect(inviteNotice("family")).toContain("guardian");
});

test("the link to take an invitation up stands beside the FHIR base, its token behind the #", () => {
  expect(joinLink("https://x.example/fhir", "a/b")).toBe("https://x.example/auth/join#a%2Fb");
  expect(joinLink("https://x.example/t/home/fhir/", "c")).toBe("https://x.example/t/home/auth/join#c");
});
