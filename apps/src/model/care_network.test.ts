import { expect, test } from "vitest";
import { EXTENSION } from "../fhir/systems";
import type { CareTeam } from "../fhir/types";
import {
  called,
  callingProblems,
  callingSteps,
  channelWords,
  isOwnedBy,
  joiningSteps,
  mayRemove,
  membersOf,
} from "./care_network";

const OTHER = { url: "https://example.org/colour", valueString: "blue" };
const TEAM: CareTeam = {
  resourceType: "CareTeam",
  id: "team",
  meta: { versionId: "4" },
  participant: [
    {
      member: { reference: "CareTeam/night" },
      extension: [{ url: EXTENSION.tier, valuePositiveInt: 3 }],
    },
    {
      member: { reference: "Practitioner/nina" },
      extension: [{ url: EXTENSION.teamOwner, valueBoolean: true }],
    },
    {
      member: { reference: "RelatedPerson/cid" },
      extension: [
        { url: EXTENSION.tier, valuePositiveInt: 1 },
        { url: EXTENSION.order, valuePositiveInt: 2 },
      ],
    },
    {
      role: [{ text: "Husband" }],
      member: { reference: "https://fhir.example.org/fhir/RelatedPerson/bob", display: "Bob" },
      extension: [
        { url: EXTENSION.tier, valuePositiveInt: 1 },
        OTHER,
        { url: EXTENSION.channel, valueCode: "voice" },
        {
          url: EXTENSION.quietHours,
          extension: [
            { url: "start", valueTime: "22:00:00" },
            { url: "end", valueTime: "06:30:00" },
            { url: "zone", valueCode: "Europe/Berlin" },
          ],
        },
      ],
    },
  ],
};

test("members stand in the order in which they are called, whoever is not called last", () => {
  expect(membersOf(TEAM).map((one) => one.reference)).toEqual([
    "RelatedPerson/bob",
    "RelatedPerson/cid",
    "CareTeam/night",
    "Practitioner/nina",
  ]);
});

test("everything about a member is read", () => {
  expect(membersOf(TEAM)[0]).toEqual({
    index: 3,
    reference: "RelatedPerson/bob",
    display: "Bob",
    role: "Husband",
    isOwner: false,
    isTeam: false,
    until: undefined,
    tier: 1,
    order: undefined,
    channels: ["voice"],
    quiet: [{ start: "22:00", end: "06:30", zone: "Europe/Berlin" }],
  });
  expect(membersOf(TEAM)[3]?.isOwner).toBe(true);
  expect(membersOf(TEAM)[2]?.isTeam).toBe(true);
});

test("a changed calling is read back as it was meant, and what is not about calling stays", () => {
  const calling = {
    tier: 2,
    order: 3,
    channels: ["sms" as const],
    quiet: [{ start: "23:00", end: "07:00", zone: "America/Chicago" }],
  };
  const participant = called(TEAM.participant![3]!, calling);
  const [read] = membersOf({ resourceType: "CareTeam", participant: [participant] });
  expect(read).toMatchObject({ ...calling, reference: "RelatedPerson/bob", role: "Husband" });
  expect(participant.extension).toContainEqual(OTHER);
});

test("taking somebody from the ladder takes the place in it along, and no empty list is left", () => {
  const none = { tier: undefined, order: 2, channels: [], quiet: [] };
  expect(called(TEAM.participant![2]!, none)).toEqual({ member: { reference: "RelatedPerson/cid" } });
});

test("a patch names whom it is about, so that it never changes somebody else", () => {
  const steps = callingSteps(TEAM, "RelatedPerson/bob", {
    tier: 2,
    order: undefined,
    channels: [],
    quiet: [],
  });
  expect(steps?.[0]).toEqual({
    op: "test",
    path: "/participant/3/member/reference",
    value: "https://fhir.example.org/fhir/RelatedPerson/bob",
  });
  expect(steps?.[1]).toMatchObject({ op: "replace", path: "/participant/3" });
  expect(callingSteps(TEAM, "RelatedPerson/zoe", membersOf(TEAM)[0]!)).toBeUndefined();
});

test("who joins is added to the list, or begins it", () => {
  expect(joiningSteps(TEAM, "CareTeam/day", 3)[0]?.path).toBe("/participant/-");
  expect(joiningSteps({ resourceType: "CareTeam" }, "CareTeam/day", 3)[0]).toEqual({
    op: "add",
    path: "/participant",
    value: [
      {
        member: { reference: "CareTeam/day" },
        extension: [{ url: EXTENSION.tier, valuePositiveInt: 3 }],
      },
    ],
  });
});

test.each([
  [{ tier: 0 }, "tier"],
  [{ tier: 1.5 }, "tier"],
  [{ order: Number.NaN }, "order"],
  [{ quiet: [{ start: "", end: "06:00", zone: "Europe/Berlin" }] }, "quiet"],
  [{ quiet: [{ start: "22:00", end: "06:00", zone: "Berlin" }] }, "quiet"],
  [{ quiet: [{ start: "22:00", end: "06:00", zone: "Mars/Base" }] }, "quiet"],
])("%j is refused at the field", (change, field) => {
  const calling = { tier: 1, order: undefined, channels: [], quiet: [], ...change };
  expect(Object.keys(callingProblems(calling))).toEqual([field]);
});

test("a way of calling without problems has none", () => {
  expect(callingProblems(membersOf(TEAM)[0]!)).toEqual({});
});

test("channels are told in words", () => {
  expect(channelWords([])).toBe("by text and call");
  expect(channelWords(["sms"])).toBe("by text only");
  expect(channelWords(["none"])).toBe("never by telephone");
});

test("owners are those whom the team marks as such", () => {
  expect(isOwnedBy(TEAM, "Practitioner/nina")).toBe(true);
  expect(isOwnedBy(TEAM, "RelatedPerson/bob")).toBe(false);
});

test("who may part with whom", () => {
  const [bob, , night, nina] = membersOf(TEAM);
  expect(mayRemove(bob!, "patient", "Patient/ann")).toBe(true);
  expect(mayRemove(nina!, "patient", "Patient/ann")).toBe(false);
  expect(mayRemove(bob!, "family", "RelatedPerson/cid")).toBe(false);
  expect(mayRemove(bob!, "family", "RelatedPerson/bob")).toBe(true);
  expect(mayRemove(night!, "owner", "Practitioner/nina")).toBe(true);
});
