// Run sheets (DiagnosticReport): least, mean and most of what was measured in a treatment. Pure.

import { hasCode, localReference, timeOf } from "../fhir/read";
import { quantityByCode } from "../fhir/quantities";
import { RUN_SHEET } from "../fhir/systems";
import type { DiagnosticReport, Observation } from "../fhir/types";

export interface SheetLine {
  readonly label: string;
  readonly quantity: string | undefined;
  readonly unit: string;
  readonly least: number | undefined;
  readonly mean: number | undefined;
  readonly most: number | undefined;
  readonly count: number | undefined;
}

export interface RunSheet {
  readonly id: string;
  readonly start: number;
  readonly end: number | undefined;
  readonly lines: readonly SheetLine[];
  readonly conclusion: string | undefined;
}

/** Run sheets of `patient`, the newest first. */
export function runSheetsOf(reports: readonly DiagnosticReport[], patient: string): RunSheet[] {
  return reports
    .filter((one) => localReference(one.subject?.reference) === patient && hasCode(one.code, RUN_SHEET))
    .flatMap((one) => runSheetOf(one) ?? [])
    .sort((a, b) => b.start - a.start);
}

function runSheetOf(report: DiagnosticReport): RunSheet | undefined {
  const start = timeOf(report.effectivePeriod?.start);
  if (start === undefined) return undefined;
  const lines = (report.contained ?? [])
    .filter((one): one is Observation => one.resourceType === "Observation")
    .flatMap((one) => lineOf(one) ?? []);
  return {
    id: report.id ?? "",
    start,
    end: timeOf(report.effectivePeriod?.end),
    lines,
    conclusion: report.conclusion,
  };
}

function lineOf(observation: Observation): SheetLine | undefined {
  const component = (code: string) => observation.component?.find((one) => hasCode(one.code, code));
  const average = component("average")?.valueQuantity;
  if (average?.value === undefined) return undefined;
  const coding = observation.code.coding?.[0];
  const quantity = quantityByCode(`${coding?.system}|${coding?.code}`);
  return {
    label: quantity?.label ?? observation.code.text ?? coding?.display ?? coding?.code ?? "",
    quantity: quantity?.key,
    unit: quantity?.unit ?? average.unit ?? "",
    least: component("minimum")?.valueQuantity?.value,
    mean: average.value,
    most: component("maximum")?.valueQuantity?.value,
    count: component("count")?.valueInteger,
  };
}
