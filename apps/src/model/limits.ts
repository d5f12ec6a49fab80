// The limits in force, as `Patient/[id]/$monitoring-rules` tells them. Pure. Nobody merges rules here: the server has.

import { parametersOf, stringOf, valueOf } from "../fhir/read";
import { QUANTITIES, quantityByCode } from "../fhir/quantities";
import type { CodeableConcept, Parameters, ParametersParameter, Quantity } from "../fhir/types";

export interface Limit {
  /** Key of the quantity. */
  readonly quantity: string;
  readonly side: "low" | "high";
  readonly value: number;
  /** Beyond a floor the first reading is high priority. */
  readonly isFloor: boolean;
  readonly priority: string | undefined;
  /** Who set it: an order, a device, the default set. */
  readonly source: string | undefined;
}

export interface Rules {
  readonly limits: readonly Limit[];
  /** By quantity, how often it is to be measured in treatment, in ms. */
  readonly intervals: ReadonlyMap<string, number>;
}

export const NO_RULES: Rules = { limits: [], intervals: new Map() };

const UNIT_MS: Readonly<Record<string, number>> = { s: 1000, min: 60_000, h: 3_600_000 };

/** The rules an answer tells; what is of no quantity we know is left out. */
export function rulesOf(answer: Parameters | undefined): Rules {
  const limits: Limit[] = [];
  const intervals = new Map<string, number>();
  const keys = new Map<string | undefined, string>();
  for (const { part } of parametersOf(answer, "parameter")) {
    const quantity = quantityIn(valueOf(part, "code") as CodeableConcept | undefined);
    if (!quantity) continue;
    keys.set(stringOf(part, "name"), quantity);
    for (const limit of parametersOf(part, "limit")) {
      const read = limitOf(quantity, limit.part);
      if (read) limits.push(read);
    }
  }
  for (const { part } of parametersOf(answer, "interval")) {
    const name = stringOf(part, "name");
    const quantity = keys.get(name) ?? QUANTITIES.find((one) => one.key === name)?.key;
    const ms = durationOf(valueOf(part, "every") as Quantity | undefined);
    if (quantity && ms !== undefined)
      intervals.set(quantity, Math.min(ms, intervals.get(quantity) ?? Infinity));
  }
  return { limits, intervals };
}

/** For each side of a quantity: the limit that speaks first, and the floor behind it. */
export function drawnLimits(rules: Rules, quantity: string): Limit[] {
  const drawn: Limit[] = [];
  for (const side of ["low", "high"] as const) {
    for (const isFloor of [false, true]) {
      const of = rules.limits.filter(
        (one) => one.quantity === quantity && one.side === side && one.isFloor === isFloor,
      );
      const tightest = of.reduce<Limit | undefined>(
        (best, one) =>
          !best || (side === "low" ? one.value > best.value : one.value < best.value) ? one : best,
        undefined,
      );
      if (tightest) drawn.push(tightest);
    }
  }
  return drawn;
}

/** Who set a limit, in plain words. */
export function sourceWords(source: string | undefined): string {
  if (!source) return "not known";
  if (source.includes("ServiceRequest/")) return "ordered for this patient";
  if (source.includes("DeviceMetric/")) return "set on the machine";
  return "default for adults";
}

function limitOf(quantity: string, part: ParametersParameter[] | undefined): Limit | undefined {
  const side = stringOf(part, "side");
  const value = (valueOf(part, "value") as Quantity | undefined)?.value;
  if ((side !== "low" && side !== "high") || value === undefined) return undefined;
  return {
    quantity,
    side,
    value,
    isFloor: stringOf(part, "floor") === "true",
    priority: stringOf(part, "priority"),
    source: stringOf(part, "source"),
  };
}

function durationOf(given: Quantity | undefined): number | undefined {
  const factor = UNIT_MS[given?.code ?? ""];
  return given?.value !== undefined && factor !== undefined ? given.value * factor : undefined;
}

function quantityIn(code: CodeableConcept | undefined): string | undefined {
  for (const coding of code?.coding ?? []) {
    const found = quantityByCode(`${coding.system}|${coding.code}`);
    if (found) return found.key;
  }
  return undefined;
}
