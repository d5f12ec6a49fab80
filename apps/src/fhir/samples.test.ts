import { describe, expect, it } from "vitest";
import { LOINC, MDC } from "./systems";
import { samplesOf } from "./samples";
import type { Observation } from "./types";

const observation = (more: Partial<Observation>): Observation => ({
  resourceType: "Observation",
  status: "final",
  code: { coding: [{ system: MDC, code: "158776" }] },
  subject: { reference: "Patient/ann" },
  effectiveDateTime: "2026-08-01T09:30:00Z",
  ...more,
});

describe("samplesOf", () => {
  it("takes a value", () => {
    expect(samplesOf(observation({ valueQuantity: { value: 162 } }))).toEqual([
      {
        patient: "Patient/ann",
        quantity: "venous",
        time: Date.parse("2026-08-01T09:30:00Z"),
        value: 162,
      },
    ]);
  });

  it("takes the components of a blood pressure, but not one that is absent", () => {
    const pressure = observation({
      code: { coding: [{ system: LOINC, code: "85354-9" }] },
      component: [
        { code: { coding: [{ system: LOINC, code: "8480-6" }] }, valueQuantity: { value: 95 } },
        {
          code: { coding: [{ system: LOINC, code: "8462-4" }] },
          dataAbsentReason: { text: "error" },
        },
      ],
    });
    expect(samplesOf(pressure).map((one) => [one.quantity, one.value])).toEqual([["systolic", 95]]);
  });

  it("keeps zero and drops what is missing", () => {
    expect(samplesOf(observation({ valueQuantity: { value: 0 } }))).toHaveLength(1);
    expect(samplesOf(observation({}))).toEqual([]);
  });

  it("drops what was entered in error, has no time or no patient", () => {
    expect(samplesOf(observation({ status: "entered-in-error", valueQuantity: { value: 1 } }))).toEqual([]);
    expect(samplesOf({ ...observation({ valueQuantity: { value: 1 } }), effectiveDateTime: "soon" })).toEqual(
      [],
    );
    expect(samplesOf({ ...observation({ valueQuantity: { value: 1 } }), subject: {} })).toEqual([]);
  });
});
