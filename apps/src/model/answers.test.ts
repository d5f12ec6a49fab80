import { describe, expect, it } from "vitest";
import { TASK } from "../fhir/systems";
import type { Task } from "../fhir/types";
import { answerablePages, offersFor, openIncidents } from "./answers";

const task = (id: string, code: string, more: Partial<Task>): Task => ({
  resourceType: "Task",
  id,
  status: "requested",
  intent: "order",
  code: { coding: [{ system: TASK, code }] },
  for: { reference: "Patient/ann" },
  ...more,
});
const incident = task("i", "incident", { status: "in-progress" });
const page = (id: string, owner: string, more: Partial<Task> = {}) =>
  task(id, "page", { owner: { reference: owner }, partOf: [{ reference: "Task/i" }], ...more });

const nurse = { reference: "Practitioner/nina", role: "clinic" } as const;
const partner = { reference: "RelatedPerson/bob", role: "family" } as const;

describe("answerablePages", () => {
  const tasks = [
    page("1", "RelatedPerson/bob"),
    page("2", "PractitionerRole/omar"),
    page("3", "Practitioner/nina"),
  ];

  it("are one's own, and for the clinic a colleague's after them", () => {
    expect(answerablePages(tasks, [incident], nurse).map((one) => one.id)).toEqual(["3", "2"]);
    expect(answerablePages(tasks, [incident], partner).map((one) => one.id)).toEqual(["1"]);
  });

  it("are none of an incident that is over, and none that was withdrawn", () => {
    expect(answerablePages(tasks, [], partner)).toEqual([]);
    expect(
      answerablePages([page("1", "RelatedPerson/bob", { status: "cancelled" })], [incident], partner),
    ).toEqual([]);
  });
});

describe("offersFor", () => {
  it("lets no patient end their own alarm", () => {
    expect(offersFor({ reference: "Patient/ann", role: "self" }).map((one) => one.status)).toEqual([
      "received",
    ]);
  });

  it("puts being at the patient first", () => {
    expect(offersFor(partner)[0]?.status).toBe("completed");
  });
});

describe("openIncidents", () => {
  it("are those of the patient that are not over", () => {
    const over = { ...incident, id: "o", status: "completed" as const };
    const other = { ...incident, id: "x", for: { reference: "Patient/joe" } };
    expect(openIncidents([incident, over, other], "Patient/ann").map((one) => one.id)).toEqual(["i"]);
  });
});
