// Who else has a chart open: a frame of the websocket that is no notification, never counted and never repeated. Pure.

import { localReference, parametersOf, referenceOf } from "../fhir/read";
import type { Parameters, Reference } from "../fhir/types";

export interface Presence {
  readonly patient: string;
  /** Everybody else, as `Type/id`. */
  readonly viewers: readonly string[];
}

/** The presence a frame tells; undefined for any other frame. */
export function readPresence(text: string): Presence | undefined {
  let parameters: Parameters;
  try {
    parameters = JSON.parse(text) as Parameters;
  } catch {
    return undefined;
  }
  if (parameters.resourceType !== "Parameters") return undefined;
  const part = parametersOf(parameters, "presence")[0]?.part;
  const patient = referenceOf(part, "patient");
  if (!patient) return undefined;
  const viewers = parametersOf(part, "viewer").flatMap(
    (one) => localReference((one.valueReference as Reference | undefined)?.reference) ?? [],
  );
  return { patient, viewers };
}
