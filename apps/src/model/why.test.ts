import { describe, expect, it } from "vitest";
import type { Parameters } from "../fhir/types";
import { whyOf } from "./why";

const answer: Parameters = {
  resourceType: "Parameters",
  parameter: [
    { name: "rule", part: [{ name: "by", valueString: "the machine itself" }] },
    {
      name: "seen",
      part: [
        { name: "reason", valueString: "machine event" },
        { name: "value", valueQuantity: { value: 112, unit: "mm[Hg]" } },
      ],
    },
    {
      name: "happened",
      part: [
        { name: "at", valueInstant: "2026-11-22T09:19:00Z" },
        { name: "what", valueCode: "raised" },
      ],
    },
    {
      name: "happened",
      part: [
        { name: "at", valueInstant: "2026-11-22T09:19:02Z" },
        { name: "what", valueCode: "ignored" },
      ],
    },
    {
      name: "happened",
      part: [
        { name: "at", valueInstant: "2026-11-22T09:20:00Z" },
        { name: "what", valueCode: "accept" },
        { name: "by", valueReference: { reference: "RelatedPerson/rosa" } },
      ],
    },
    { name: "person", part: [{ name: "who", valueReference: { reference: "RelatedPerson/rosa" } }] },
    { name: "incident", part: [{ name: "flag", valueReference: { reference: "Flag/other" } }] },
  ],
};

describe("whyOf", () => {
  it("says what was seen and by which rule", () => {
    expect(whyOf(answer).facts).toEqual([
      { label: "Judged by", value: "the machine itself" },
      { label: "Because", value: "machine event" },
      { label: "Value", value: "112 mm[Hg]" },
    ]);
  });

  it("tells each step that changed something, and who did it", () => {
    expect(whyOf(answer).steps.map((one) => [one.text, one.by])).toEqual([
      ["The alert began", undefined],
      ["Somebody is coming", "RelatedPerson/rosa"],
    ]);
  });

  it("names the people and the other alerts", () => {
    expect(whyOf(answer).told.map((one) => one.who)).toEqual(["RelatedPerson/rosa"]);
    expect(whyOf(answer).incident).toEqual(["other"]);
  });

  it("makes nothing up out of an empty answer", () => {
    expect(whyOf({ resourceType: "Parameters" })).toEqual({
      facts: [],
      steps: [],
      told: [],
      incident: [],
    });
  });
});
