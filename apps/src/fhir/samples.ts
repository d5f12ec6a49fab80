// Values out of Observations. Pure. Missing is not zero: what has no value gives no sample.

import { localReference, timeOf } from "./read";
import { quantityByCode } from "./quantities";
import type { CodeableConcept, Observation } from "./types";

export interface Sample {
  /** `Patient/id`. */
  readonly patient: string;
  /** Key of the quantity. */
  readonly quantity: string;
  readonly time: number;
  readonly value: number;
}

const LEFT_OUT = new Set(["entered-in-error", "cancelled"]);

/** Everything of the table that `observation` measured. */
export function samplesOf(observation: Observation): Sample[] {
  const patient = localReference(observation.subject?.reference);
  const time = timeOf(observation.effectiveDateTime ?? observation.effectiveInstant);
  if (!patient || time === undefined || LEFT_OUT.has(observation.status)) return [];
  const found: Sample[] = [];
  const take = (code: CodeableConcept | undefined, value: number | undefined) => {
    if (value === undefined || !Number.isFinite(value)) return;
    for (const coding of code?.coding ?? []) {
      const quantity = quantityByCode(`${coding.system}|${coding.code}`);
      if (quantity) {
        found.push({ patient, quantity: quantity.key, time, value });
        return;
      }
    }
  };
  take(observation.code, observation.valueQuantity?.value);
  for (const component of observation.component ?? []) take(component.code, component.valueQuantity?.value);
  return found;
}
