import { expect, test } from "vitest";
import { EXTENSION, TEAM_CATEGORY } from "../fhir/systems";
import type { CareTeam, Extension } from "../fhir/types";
import { dutiesOf, everybodyOn, onDuty, overrideSteps, scheduleOf, wallClock } from "./on_call";

const at = (text: string) => Date.parse(text);

function team(...overrides: Extension[]): CareTeam {
  return {
    resourceType: "CareTeam",
    category: [{ coding: [{ system: TEAM_CATEGORY, code: "on-call" }] }],
    extension: [
      {
        url: EXTENSION.onCall,
        extension: [
          {
            url: "rotation",
            extension: [
              { url: "start", valueDate: "2026-08-03" },
              { url: "handover", valueTime: "19:00:00" },
              { url: "zone", valueCode: "America/Chicago" },
              { url: "length", valueDuration: { value: 12, code: "h" } },
              { url: "member", valueReference: { reference: "PractitionerRole/nina" } },
              { url: "member", valueReference: { reference: "PractitionerRole/omar" } },
            ],
          },
          ...overrides,
        ],
      },
    ],
  };
}

const ZOE: Extension = {
  url: "override",
  extension: [
    {
      url: "period",
      valuePeriod: { start: "2026-08-08T19:00:00-05:00", end: "2026-08-09T07:00:00-05:00" },
    },
    { url: "member", valueReference: { reference: "PractitionerRole/zoe" } },
    { url: "instead-of", valueReference: { reference: "PractitionerRole/nina" } },
  ],
};

test("turns change at the handover by the clocks of the zone", () => {
  expect(onDuty(team(), at("2026-08-03T18:59:00-05:00"))).toEqual([]);
  expect(onDuty(team(), at("2026-08-03T19:00:00-05:00"))).toEqual(["PractitionerRole/nina"]);
  expect(onDuty(team(), at("2026-08-04T07:00:00-05:00"))).toEqual(["PractitionerRole/omar"]);
  // After the clocks have changed the handover is still at seven.
  expect(onDuty(team(), at("2026-11-10T18:59:00-06:00"))).toEqual(["PractitionerRole/omar"]);
  expect(onDuty(team(), at("2026-11-10T19:00:00-06:00"))).toEqual(["PractitionerRole/nina"]);
});

test("an override puts somebody in somebody's place, for its time alone", () => {
  expect(onDuty(team(ZOE), at("2026-08-08T20:00:00-05:00"))).toEqual(["PractitionerRole/zoe"]);
  expect(onDuty(team(ZOE), at("2026-08-09T07:00:00-05:00"))).toEqual(["PractitionerRole/omar"]);
});

test("without a schedule everybody whose time it is is on duty", () => {
  const plain: CareTeam = {
    resourceType: "CareTeam",
    participant: [
      { member: { reference: "Practitioner/a" } },
      { member: { reference: "Practitioner/b" }, period: { end: "2026-08-01T00:00:00Z" } },
    ],
  };
  expect(scheduleOf(plain)).toBeUndefined();
  expect(onDuty(plain, at("2026-08-03T00:00:00Z"))).toEqual(["Practitioner/a"]);
});

test("duties follow each other without a gap", () => {
  const from = at("2026-08-08T12:00:00-05:00");
  const duties = dutiesOf(team(ZOE), from, 1);
  expect(duties.map((one) => one.members[0])).toEqual([
    "PractitionerRole/omar",
    "PractitionerRole/zoe",
    "PractitionerRole/omar",
  ]);
  expect(duties[0]?.end).toBe(at("2026-08-08T19:00:00-05:00"));
  expect(duties.slice(1).map((one) => one.start)).toEqual(duties.slice(0, -1).map((one) => one.end));
});

test("an override that is added is read back as it was meant", () => {
  const override = {
    start: at("2026-08-08T19:00:00-05:00"),
    end: at("2026-08-09T07:00:00-05:00"),
    member: "PractitionerRole/zoe",
    insteadOf: "PractitionerRole/nina",
  };
  const steps = overrideSteps(team(), override);
  expect(steps?.[1]?.path).toBe("/extension/0/extension/-");
  expect(scheduleOf(team(steps?.[1]?.value as Extension))?.overrides).toEqual([override]);
  expect(overrideSteps({ resourceType: "CareTeam" }, override)).toBeUndefined();
});

test("everybody who may come on duty", () => {
  expect(everybodyOn(team())).toEqual(["PractitionerRole/nina", "PractitionerRole/omar"]);
});

test("the clock on the wall", () => {
  expect(new Date(wallClock(at("2026-07-01T12:00:00Z"), "Europe/Berlin")).toISOString()).toBe(
    "2026-07-01T14:00:00.000Z",
  );
});
