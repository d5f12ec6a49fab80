import { describe, expect, it } from "vitest";
import { EXTENSION, PAGE_INPUT, TASK } from "../fhir/systems";
import type { Flag, Task } from "../fhir/types";
import {
  alertOf,
  answerSentence,
  bestPage,
  byUrgency,
  pageOf,
  toldPeople,
  type Answer,
  type Page,
} from "./alerts";

const flag = (priority: string | undefined, start: string, status: Flag["status"] = "active"): Flag => ({
  resourceType: "Flag",
  id: `${priority}-${start}`,
  status,
  code: { text: "venous pressure low" },
  subject: { reference: "Patient/ann" },
  period: { start },
  extension: priority
    ? [{ url: EXTENSION.priority, valueCodeableConcept: { coding: [{ code: priority }] } }]
    : [],
});

const task = (status: Task["status"], purpose = "alert"): Task => ({
  resourceType: "Task",
  id: "t",
  status,
  intent: "order",
  code: { coding: [{ system: TASK, code: "page" }] },
  authoredOn: "2026-08-01T09:30:00Z",
  partOf: [{ reference: "Task/incident" }],
  owner: { reference: "RelatedPerson/bob" },
  input: [{ type: { coding: [{ system: PAGE_INPUT, code: "purpose" }] }, valueCode: purpose }],
});

const page = (answer: Answer, changed = 0): Page => ({
  ...(pageOf(task("requested")) as Page),
  answer,
  changed,
});

describe("alertOf", () => {
  it("reads priority, words and time", () => {
    const alert = alertOf(flag("PH", "2026-08-01T09:30:00Z"));
    expect(alert).toMatchObject({ priority: "PH", label: "Venous pressure low", isActive: true });
    expect(alert.patient).toBe("Patient/ann");
  });

  it("takes an unreadable priority for one to look at soon", () => {
    expect(alertOf(flag(undefined, "2026-08-01T09:30:00Z")).priority).toBe("PM");
    expect(alertOf(flag("XX", "2026-08-01T09:30:00Z")).priority).toBe("PM");
  });
});

describe("byUrgency", () => {
  it("puts open ones first, then high priority, then the oldest", () => {
    const flags = [
      flag("PH", "2026-08-01T09:00:00Z", "inactive"),
      flag("PM", "2026-08-01T09:00:00Z"),
      flag("PH", "2026-08-01T09:30:00Z"),
      flag("PH", "2026-08-01T09:20:00Z"),
    ];
    const order = flags.map(alertOf).sort(byUrgency);
    expect(order.map((one) => one.id)).toEqual([
      "PH-2026-08-01T09:20:00Z",
      "PH-2026-08-01T09:30:00Z",
      "PM-2026-08-01T09:00:00Z",
      "PH-2026-08-01T09:00:00Z",
    ]);
  });
});

describe("pageOf", () => {
  it("reads who was told and what they answered", () => {
    expect(pageOf(task("accepted"))).toMatchObject({
      owner: "RelatedPerson/bob",
      answer: "coming",
      incident: "Task/incident",
      isTest: false,
    });
  });

  it("knows a test page, and that another Task is none", () => {
    expect(pageOf(task("requested", "test"))?.isTest).toBe(true);
    expect(pageOf({ ...task("requested"), code: { text: "call the lab" } })).toBeUndefined();
  });
});

describe("bestPage", () => {
  it("is who is at the patient, then who is coming, then who has seen it", () => {
    expect(bestPage([page("seen"), page("coming"), page("cannot")])?.answer).toBe("coming");
    expect(bestPage([page("there"), page("coming")])?.answer).toBe("there");
  });

  it("is the newest of equals, and none where nobody was told", () => {
    expect(bestPage([page("none", 1), page("none", 2)])?.changed).toBe(2);
    expect(bestPage([])).toBeUndefined();
  });
});

describe("toldPeople", () => {
  it("names each person once, with what says most, helpers first", () => {
    const of = (owner: string, answer: Answer) => ({ ...page(answer), owner });
    const people = toldPeople([of("a", "none"), of("a", "seen"), of("b", "coming"), of("c", "ended")]);
    expect(people.map((one) => [one.owner, one.answer])).toEqual([
      ["b", "coming"],
      ["a", "seen"],
    ]);
  });
});

describe("answerSentence", () => {
  it.each([
    ["Rosa", "coming", "Rosa is coming"],
    ["you", "coming", "You are coming"],
    ["you", "seen", "You have seen it"],
    ["somebody", "none", "Somebody was told, no answer yet"],
  ] as const)("%s %s: %s", (name, answer, text) => expect(answerSentence(name, answer)).toBe(text));
});
