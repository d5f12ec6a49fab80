import { describe, expect, it } from "vitest";
import { LOINC, UCUM } from "../fhir/systems";
import type { Parameters, ParametersParameter } from "../fhir/types";
import { drawnLimits, rulesOf, sourceWords } from "./limits";

const limit = (
  side: string,
  value: number,
  floor: boolean,
  source = "ServiceRequest/x",
): ParametersParameter => ({
  name: "limit",
  part: [
    { name: "side", valueCode: side },
    { name: "value", valueQuantity: { value, system: UCUM, code: "mm[Hg]" } },
    { name: "floor", valueBoolean: floor },
    { name: "source", valueString: source },
  ],
});

const answer = (...limits: ParametersParameter[]): Parameters => ({
  resourceType: "Parameters",
  parameter: [
    {
      name: "parameter",
      part: [
        { name: "code", valueCodeableConcept: { coding: [{ system: LOINC, code: "8480-6" }] } },
        ...limits,
      ],
    },
  ],
});

describe("rulesOf", () => {
  it("draws the tightest limit of each side, and the floor", () => {
    const rules = rulesOf(
      answer(
        limit("low", 90, false),
        limit("low", 100, false),
        limit("low", 80, true),
        limit("high", 180, false),
      ),
    );
    expect(drawnLimits(rules, "systolic").map((one) => [one.side, one.value, one.isFloor])).toEqual([
      ["low", 100, false],
      ["low", 80, true],
      ["high", 180, false],
    ]);
  });

  it("knows how often something is to be measured, the shortest interval of several", () => {
    const every = (value: number): ParametersParameter => ({
      name: "interval",
      part: [
        { name: "name", valueCode: "systolic" },
        { name: "every", valueDuration: { value, system: UCUM, code: "min" } },
      ],
    });
    const said: Parameters = {
      resourceType: "Parameters",
      parameter: [...(answer().parameter ?? []), every(30), every(15)],
    };
    expect(rulesOf(said).intervals.get("systolic")).toBe(15 * 60_000);
  });

  it("leaves out what has no value or is of nothing we know", () => {
    const broken = answer({ name: "limit", part: [{ name: "side", valueCode: "low" }] });
    expect(rulesOf(broken).limits).toEqual([]);
    expect(rulesOf(undefined).limits).toEqual([]);
  });
});

describe("sourceWords", () => {
  it.each([
    ["ServiceRequest/x", "ordered for this patient"],
    ["DeviceMetric/x", "set on the machine"],
    ["https://w3id.org/fhirserver/PlanDefinition/default-rules", "default for adults"],
    [undefined, "not known"],
  ])("%s is %s", (source, words) => expect(sourceWords(source)).toBe(words));
});
