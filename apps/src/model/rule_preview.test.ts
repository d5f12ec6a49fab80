import { expect, test } from "vitest";
import type { Parameters, ParametersParameter } from "../fhir/types";
import { previewOf, previewWords } from "./rule_preview";

function session(fires: number, values = 100): ParametersParameter {
  return {
    name: "session",
    part: [
      { name: "treatment", valueReference: { reference: "Procedure/t" } },
      { name: "period", valuePeriod: { start: "2026-05-01T09:00:00Z", end: "2026-05-01T13:00:00Z" } },
      { name: "values", valueUnsignedInt: values },
      { name: "fires", valueUnsignedInt: fires },
      { name: "fires-today", valueUnsignedInt: 1 },
      {
        name: "alert",
        part: [
          { name: "at", valueInstant: "2026-05-01T10:00:00Z" },
          { name: "priority", valueCode: "PH" },
          { name: "display", valueString: "Low blood pressure" },
          { name: "value", valueQuantity: { value: 92, unit: "mm[Hg]" } },
          { name: "limit", valueQuantity: { value: 100, unit: "mm[Hg]" } },
        ],
      },
    ],
  };
}

function answer(fires: number, today: number, ...sessions: ParametersParameter[]): Parameters {
  return {
    resourceType: "Parameters",
    parameter: [
      { name: "left-out", valueUnsignedInt: 2 },
      { name: "fires", valueUnsignedInt: fires },
      { name: "fires-today", valueUnsignedInt: today },
      { name: "ignored", valueString: "beyond a safety floor" },
      ...sessions,
    ],
  };
}

test("everything the server tells is read", () => {
  const preview = previewOf(answer(3, 1, session(3)));
  expect(preview).toMatchObject({
    fires: 3,
    firesToday: 1,
    leftOut: 2,
    ignored: ["beyond a safety floor"],
  });
  expect(preview.sessions[0]).toEqual({
    start: Date.parse("2026-05-01T09:00:00Z"),
    end: Date.parse("2026-05-01T13:00:00Z"),
    values: 100,
    fires: 3,
    firesToday: 1,
    alerts: [
      {
        at: Date.parse("2026-05-01T10:00:00Z"),
        priority: "PH",
        display: "Low blood pressure",
        value: "92 mmHg",
        limit: "100 mmHg",
      },
    ],
  });
});

test("the sentence compares with today", () => {
  expect(previewWords(previewOf(answer(3, 1, session(2), session(1))))).toBe(
    "In the last 2 treatments this limit would have fired 3 times; today’s rules: 1 time.",
  );
  expect(previewWords(previewOf(answer(0, 0, session(0))))).toContain("would have fired never");
});

test("nothing measured is not never", () => {
  expect(previewWords(previewOf(answer(0, 0)))).toContain("no finished treatment");
  expect(previewWords(previewOf(answer(0, 0, session(0, 0))))).toContain("was not measured");
});
