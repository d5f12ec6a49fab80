import { expect, test } from "vitest";
import { AUDIT_EVENT } from "../fhir/systems";
import type { AuditEvent } from "../fhir/types";
import { lookOf, looksOf } from "./audit_words";

function event(more: Partial<AuditEvent> = {}, minute = 0): AuditEvent {
  return {
    resourceType: "AuditEvent",
    id: `e${minute}`,
    type: { code: "rest" },
    subtype: [{ system: "http://hl7.org/fhir/restful-interaction", code: "read" }],
    recorded: new Date(Date.parse("2026-05-10T12:00:00Z") + minute * 60_000).toISOString(),
    outcome: "0",
    agent: [
      { requestor: false, who: { identifier: { value: "an-app" } } },
      { requestor: false, who: { identifier: { value: "https://server" } } },
      { requestor: true, who: { reference: "Practitioner/nina" } },
    ],
    source: { observer: {} },
    entity: [
      { what: { reference: "Observation/o" }, role: { code: "4" } },
      { what: { reference: "Patient/ann" }, role: { code: "1" } },
    ],
    ...more,
  };
}

test("a read says who looked at what", () => {
  expect(lookOf(event())).toMatchObject({
    who: "Practitioner/nina",
    what: "looked at measured values",
    isEmergency: false,
    isRefused: false,
  });
});

test("a search says what was looked for by its query", () => {
  const search = event({
    subtype: [{ code: "search" }],
    entity: [
      { query: btoa("Condition?patient=ann&_count=5"), role: { code: "24" } },
      { what: { reference: "Patient/ann" }, role: { code: "1" } },
    ],
  });
  expect(lookOf(search)?.what).toBe("looked for diagnoses");
  const absolute = event({
    subtype: [{ code: "search" }],
    entity: [{ query: btoa("https://x.example/fhir/Flag?patient=ann") }],
  });
  expect(lookOf(absolute)?.what).toBe("looked for alarms");
});

test("an operation is named; a query that cannot be read breaks nothing", () => {
  const operation = event({
    subtype: [{ code: "operation" }],
    entity: [{ query: btoa("GET /fhir/Patient/ann/$why-not?at=x") }],
  });
  expect(lookOf(operation)?.what).toBe("asked for why not");
  expect(lookOf(event({ subtype: [], entity: [{ query: "%%%" }] }))?.what).toBe("used something");
});

test("emergencies and refusals are told", () => {
  const emergency = event({ purposeOfEvent: [{ coding: [{ code: "BTG" }] }], outcome: "4" });
  expect(lookOf(emergency)).toMatchObject({ isEmergency: true, isRefused: true });
  const glass = event({ subtype: [{ code: "110127" }, { system: AUDIT_EVENT, code: "break-glass" }] });
  expect(lookOf(glass)?.what).toBe("opened or closed the record in an emergency");
});

test("of a disclosure it is told who was told", () => {
  const told = event({
    subtype: [{ code: "disclose" }],
    agent: [
      { requestor: false, who: { identifier: { value: "https://server" } } },
      { requestor: false, who: { reference: "RelatedPerson/bob" } },
    ],
    entity: [{ what: { reference: "Task/t" }, role: { code: "4" } }],
  });
  expect(lookOf(told)).toMatchObject({
    who: "RelatedPerson/bob",
    what: "was told of who was called and what they answered",
  });
});

test("programs are called by their own name", () => {
  const program = event({ agent: [{ requestor: true, who: { identifier: { value: "nightly" } } }] });
  expect(lookOf(program)).toMatchObject({ who: undefined, whoElse: "nightly" });
});

test("the same again and again within half an hour is one line, and stays two lines beyond it", () => {
  const looks = looksOf([
    event({}, 0),
    event({}, 10),
    event({}, 30),
    event({}, 90),
    event({ outcome: "4" }, 91),
  ]);
  expect(looks.map((one) => [one.isRefused, one.times])).toEqual([
    [true, 1],
    [false, 1],
    [false, 3],
  ]);
  expect(looks[2]?.first).toBe(Date.parse("2026-05-10T12:00:00Z"));
});
