import { describe, expect, it } from "vitest";
import { EXTENSION, TASK } from "../fhir/systems";
import type { Flag, Patient, Procedure, Task } from "../fhir/types";
import { rosterOf } from "./roster";

const patient = (id: string): Patient => ({
  resourceType: "Patient",
  id,
  name: [{ given: [id], family: "X" }],
});
const flag = (subject: string, priority: string, start: string): Flag => ({
  resourceType: "Flag",
  id: `${subject}-${priority}`,
  status: "active",
  code: { text: "low" },
  subject: { reference: `Patient/${subject}` },
  period: { start },
  extension: [{ url: EXTENSION.priority, valueCodeableConcept: { coding: [{ code: priority }] } }],
});
const incident = (id: string, status: Task["status"]): Task => ({
  resourceType: "Task",
  id,
  status,
  intent: "order",
  code: { coding: [{ system: TASK, code: "incident" }] },
});
const page = (of: string, subject: string, status: Task["status"]): Task => ({
  resourceType: "Task",
  id: `${of}-page`,
  status,
  intent: "order",
  code: { coding: [{ system: TASK, code: "page" }] },
  for: { reference: `Patient/${subject}` },
  partOf: [{ reference: `Task/${of}` }],
});
const treatment = (subject: string): Procedure => ({
  resourceType: "Procedure",
  id: `p-${subject}`,
  status: "in-progress",
  subject: { reference: `Patient/${subject}` },
});

const order = (input: Partial<Parameters<typeof rosterOf>[0]>) =>
  rosterOf({ patients: [], flags: [], tasks: [], procedures: [], ...input }).map(
    (one) => one.patient.split("/")[1],
  );

describe("rosterOf", () => {
  it("puts who is in danger first, then who is treated, then by name", () => {
    const found = order({
      patients: ["quiet", "treated", "soon", "now"].map(patient),
      flags: [flag("soon", "PM", "2026-08-01T09:00:00Z"), flag("now", "PH", "2026-08-01T09:30:00Z")],
      procedures: [treatment("treated")],
    });
    expect(found).toEqual(["now", "soon", "treated", "quiet"]);
  });

  it("puts whom nobody helps before whom somebody is with, whatever came first", () => {
    const found = order({
      patients: ["helped", "alone"].map(patient),
      flags: [flag("helped", "PH", "2026-08-01T09:00:00Z"), flag("alone", "PH", "2026-08-01T09:30:00Z")],
      tasks: [incident("i", "in-progress"), page("i", "helped", "completed")],
    });
    expect(found).toEqual(["alone", "helped"]);
  });

  it("forgets answers to an incident that is over", () => {
    const rows = rosterOf({
      patients: [patient("ann")],
      flags: [],
      tasks: [incident("i", "completed"), page("i", "ann", "accepted")],
      procedures: [],
    });
    expect(rows[0]?.help).toBeUndefined();
  });

  it("leaves out records that are not active, and alerts that are over", () => {
    const over = { ...flag("ann", "PH", "2026-08-01T09:00:00Z"), status: "inactive" as const };
    const rows = rosterOf({
      patients: [patient("ann"), { ...patient("old"), active: false }],
      flags: [over],
      tasks: [],
      procedures: [],
    });
    expect(rows.map((one) => [one.patient, one.top])).toEqual([["Patient/ann", undefined]]);
  });
});
