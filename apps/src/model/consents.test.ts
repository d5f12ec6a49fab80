import { expect, test } from "vitest";
import type { Consent } from "../fhir/types";
import { denialOf, isMessaging, isPrivacy, saidIn, saidWords, sortedConsents } from "./consents";

const NOW = Date.parse("2026-05-10T12:00:00Z");
const words = (consent: Consent) => saidIn(consent).map((one) => saidWords(one, () => "3 May"));

test("a new denial is read back as it was meant", () => {
  const consent = denialOf(
    "Patient/ann",
    { who: "RelatedPerson/bob", parts: ["values"], until: "2026-06-03" },
    NOW,
  );
  expect(isPrivacy(consent)).toBe(true);
  expect(isMessaging(consent)).toBe(false);
  const [outer, inner] = saidIn(consent);
  expect(outer).toMatchObject({ permits: true, who: [], level: 0 });
  expect(inner).toMatchObject({
    permits: false,
    who: ["RelatedPerson/bob"],
    what: ["measured values"],
    until: Date.parse("2026-06-03"),
    level: 1,
  });
  expect(words(consent)[1]).toBe("may not see or change measured values, until 3 May");
});

test("a denial of everything says so and names no class", () => {
  const consent = denialOf("Patient/ann", { who: "CareTeam/t", parts: [], until: "" }, NOW);
  expect(consent.provision?.provision?.[0]?.class).toBeUndefined();
  expect(words(consent)).toEqual([
    "may see or change what their role allows",
    "may not see or change anything in the record",
  ]);
});

test("an exception is about the same people as what it is an exception of", () => {
  const consent: Consent = {
    ...denialOf("Patient/ann", { who: "x", parts: [], until: "" }, NOW),
    provision: {
      type: "deny",
      actor: [{ role: {}, reference: { reference: "Practitioner/omar" } }],
      provision: [
        {
          type: "permit",
          action: [{ coding: [{ code: "access" }] }],
          class: [{ code: "Flag" }, { code: "Task" }, { code: "Coverage" }],
        },
      ],
    },
  };
  const [, inner] = saidIn(consent);
  expect(inner?.who).toEqual(["Practitioner/omar"]);
  expect(saidWords(inner!, String)).toBe("may see alarms, Coverage");
});

test("the agreement to be called is told apart", () => {
  const consent: Consent = {
    resourceType: "Consent",
    status: "active",
    scope: { coding: [{ code: "patient-privacy" }] },
    category: [],
    policyRule: { coding: [{ code: "OPTIN" }] },
    performer: [{ reference: "RelatedPerson/bob" }],
    provision: { type: "permit", actor: [{ role: {}, reference: { reference: "RelatedPerson/bob" } }] },
  };
  expect(isMessaging(consent)).toBe(true);
});

test("what is in force stands first, then the newest", () => {
  const consent = (id: string, status: Consent["status"], dateTime: string): Consent => ({
    ...denialOf("Patient/ann", { who: "x", parts: [], until: "" }, NOW),
    id,
    status,
    dateTime,
  });
  const sorted = sortedConsents([
    consent("old", "active", "2026-01-01"),
    consent("ended", "inactive", "2026-04-01"),
    consent("new", "active", "2026-03-01"),
  ]);
  expect(sorted.map((one) => one.id)).toEqual(["new", "old", "ended"]);
});
