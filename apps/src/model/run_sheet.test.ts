import { describe, expect, it } from "vitest";
import { BASE, MDC } from "../fhir/systems";
import type { DiagnosticReport, Observation } from "../fhir/types";
import { runSheetsOf } from "./run_sheet";

const statistic = (code: string, value: number) => ({
  code: { coding: [{ code }] },
  valueQuantity: { value, unit: "mm[Hg]" },
});

const measured: Observation = {
  resourceType: "Observation",
  id: "m158776",
  status: "final",
  code: { coding: [{ system: MDC, code: "158776" }], text: "Venous line pressure" },
  component: [
    statistic("minimum", 90),
    statistic("average", 160),
    statistic("maximum", 240),
    { code: { coding: [{ code: "count" }] }, valueInteger: 14_400 },
  ],
};

const report = (id: string, start: string): DiagnosticReport => ({
  resourceType: "DiagnosticReport",
  id,
  status: "final",
  code: { coding: [{ system: `${BASE}CodeSystem/treatment`, code: "run-sheet" }] },
  subject: { reference: "Patient/ann" },
  effectivePeriod: { start },
  contained: [measured],
});

describe("runSheetsOf", () => {
  it("reads the figures, the newest sheet first", () => {
    const sheets = runSheetsOf(
      [report("a", "2026-08-01T09:00:00Z"), report("b", "2026-08-03T09:00:00Z")],
      "Patient/ann",
    );
    expect(sheets.map((one) => one.id)).toEqual(["b", "a"]);
    expect(sheets[0]?.lines).toEqual([
      {
        label: "Venous pressure",
        quantity: "venous",
        unit: "mmHg",
        least: 90,
        mean: 160,
        most: 240,
        count: 14_400,
      },
    ]);
  });

  it("leaves out other reports, other patients and what has no figures", () => {
    const other: DiagnosticReport = {
      ...report("x", "2026-08-01T09:00:00Z"),
      code: { text: "laboratory" },
    };
    expect(runSheetsOf([other, report("a", "2026-08-01T09:00:00Z")], "Patient/joe")).toEqual([]);
    const empty = { ...report("a", "2026-08-01T09:00:00Z"), contained: [{ ...measured, component: [] }] };
    expect(runSheetsOf([empty], "Patient/ann")[0]?.lines).toEqual([]);
  });
});
