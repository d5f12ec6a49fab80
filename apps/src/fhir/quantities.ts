// What machines and cuffs measure, as the app names, groups and ages it. Codes: ISO/IEEE 11073-10101 and LOINC.

import { LOINC, MDC } from "./systems";

export type Group = "blood pressure" | "pressure" | "flow" | "fluid" | "machine";

export interface Quantity {
  readonly key: string;
  /** Plain words, as a label. */
  readonly label: string;
  readonly short: string;
  readonly unit: string;
  readonly group: Group;
  /** `system|code`, every one that means this quantity. */
  readonly codes: readonly string[];
  /** Older than this, a value says nothing about now; rules may say otherwise. [P] */
  readonly interval: number;
  readonly digits: number;
}

const SECOND = 1000;
const MINUTE = 60 * SECOND;
/** [P] A machine in treatment speaks each second and is "silent" for people after 20 s. */
const MACHINE = 20 * SECOND;
/** [P] A blood pressure is due every 30 minutes and overdue after one and a half intervals. */
const CUFF = 45 * MINUTE;

const mdc = (code: string) => `${MDC}|${code}`;
const loinc = (code: string) => `${LOINC}|${code}`;

function quantity(
  key: string,
  label: string,
  short: string,
  unit: string,
  group: Group,
  interval: number,
  codes: readonly string[],
  digits = 0,
): Quantity {
  return { key, label, short, unit, group, interval, codes, digits };
}

export const QUANTITIES: readonly Quantity[] = [
  quantity("systolic", "Systolic blood pressure", "Sys", "mmHg", "blood pressure", CUFF, [
    loinc("8480-6"),
    mdc("150021"),
  ]),
  quantity("diastolic", "Diastolic blood pressure", "Dia", "mmHg", "blood pressure", CUFF, [
    loinc("8462-4"),
    mdc("150022"),
  ]),
  quantity("mean", "Mean blood pressure", "Mean", "mmHg", "blood pressure", CUFF, [
    loinc("8478-0"),
    mdc("150023"),
  ]),
  quantity("heart-rate", "Heart rate", "HR", "/min", "blood pressure", CUFF, [
    loinc("8867-4"),
    mdc("149546"),
    mdc("149530"),
    mdc("147842"),
  ]),
  quantity("oxygen", "Oxygen saturation", "SpO₂", "%", "blood pressure", CUFF, [
    loinc("2708-6"),
    loinc("59408-5"),
    mdc("150456"),
  ]),
  quantity("venous", "Venous pressure", "VP", "mmHg", "pressure", MACHINE, [mdc("158776")]),
  quantity("arterial", "Arterial pressure", "AP", "mmHg", "pressure", MACHINE, [mdc("158744")]),
  quantity("transmembrane", "Transmembrane pressure", "TMP", "mmHg", "pressure", MACHINE, [mdc("158852")]),
  quantity("blood-flow", "Blood flow", "Qb", "mL/min", "flow", MACHINE, [mdc("158740")]),
  quantity("dialysate-flow", "Dialysate flow", "Qd", "mL/min", "flow", MACHINE, [mdc("158792")]),
  quantity("removal-rate", "Fluid removal rate", "UF rate", "mL/h", "fluid", MACHINE, [mdc("159036")]),
  quantity("removed", "Fluid removed", "Removed", "mL", "fluid", MACHINE, [mdc("159032")]),
  quantity("goal", "Fluid to remove", "Goal", "mL", "fluid", MACHINE, [mdc("159028")]),
  quantity("time-left", "Time left", "Left", "min", "machine", MACHINE, [mdc("158724")]),
  quantity("conductivity", "Conductivity", "Cond", "mS/cm", "machine", MACHINE, [mdc("158788")], 1),
  quantity("temperature", "Dialysate temperature", "Temp", "°C", "machine", MACHINE, [mdc("158796")], 1),
  quantity("battery", "Battery", "Battery", "%", "machine", 60 * MINUTE, [mdc("67996")]),
];

const BY_KEY = new Map(QUANTITIES.map((one) => [one.key, one]));
const BY_CODE = new Map(QUANTITIES.flatMap((one) => one.codes.map((code) => [code, one] as const)));

/** The quantity of that key; throws for a key that is not in the table, which is a defect of the caller. */
export function quantityOf(key: string): Quantity {
  const found = BY_KEY.get(key);
  if (!found) throw new Error(`No quantity ${key}.`);
  return found;
}

/** The quantity a `system|code` means. */
export function quantityByCode(systemAndCode: string): Quantity | undefined {
  return BY_CODE.get(systemAndCode);
}

/** The code that finds a quantity's Observations: blood pressures are found by their panel. */
export function searchCodes(keys: readonly string[]): string[] {
  const codes = keys.flatMap((key) =>
    ["systolic", "diastolic", "mean"].includes(key) ? [loinc("85354-9")] : quantityOf(key).codes,
  );
  return [...new Set(codes)];
}
