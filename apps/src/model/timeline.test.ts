import { describe, expect, it } from "vitest";
import { EXTENSION, PAGE_INPUT, TASK } from "../fhir/systems";
import type { Flag, Task } from "../fhir/types";
import { timelineOf } from "./timeline";

const flag: Flag = {
  resourceType: "Flag",
  id: "f",
  status: "inactive",
  code: { text: "venous pressure low" },
  subject: { reference: "Patient/ann" },
  period: { start: "2026-08-01T09:30:00Z", end: "2026-08-01T09:40:00Z" },
  extension: [{ url: EXTENSION.priority, valueCodeableConcept: { coding: [{ code: "PH" }] } }],
};

const page = (purpose: string, subject = "Patient/ann"): Task => ({
  resourceType: "Task",
  id: "t",
  status: "accepted",
  intent: "order",
  code: { coding: [{ system: TASK, code: "page" }] },
  for: { reference: subject },
  owner: { reference: "RelatedPerson/bob" },
  authoredOn: "2026-08-01T09:30:01Z",
  lastModified: "2026-08-01T09:30:20Z",
  input: [
    { type: { coding: [{ system: PAGE_INPUT, code: "purpose" }] }, valueCode: purpose },
    { type: { coding: [{ system: PAGE_INPUT, code: "channel" }] }, valueCode: "sms" },
    { type: { coding: [{ system: PAGE_INPUT, code: "channel" }] }, valueCode: "voice" },
  ],
});

describe("timelineOf", () => {
  it("tells alert, message, answer and end, the newest first", () => {
    expect(timelineOf([flag], [page("alert")], "Patient/ann").map((one) => one.text)).toEqual([
      "Over: Venous pressure low",
      "{who} is coming",
      "{who} is told by text and call",
      "Venous pressure low (go now)",
    ]);
  });

  it("leaves out test pages and other patients", () => {
    expect(timelineOf([], [page("test"), page("alert", "Patient/joe")], "Patient/ann")).toEqual([]);
  });
});
