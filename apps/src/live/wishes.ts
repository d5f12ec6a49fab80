// Which events the app wants about which patients. Pure.

import { searchCodes } from "../fhir/quantities";
import { BASE, TOPIC } from "../fhir/systems";
import { MOST_PATIENTS, partsOf, type Wish } from "./subscription";

const RESPONSE_TYPES = [
  "Task",
  "Procedure",
  "CareTeam",
  "ServiceRequest",
  "DiagnosticReport",
  "DeviceUseStatement",
];

/** Alerts of `patients` (`Patient/id`), who answers them, and treatments. */
export function alertWishes(patients: readonly string[]): Wish[] {
  return partsOf(patients, MOST_PATIENTS).flatMap((part) => {
    const names = part.join(",");
    return [
      { purpose: "alerts", topic: TOPIC.alert, filters: [`Flag?patient=${names}`] },
      {
        purpose: "response",
        topic: TOPIC.change,
        filters: [
          ...RESPONSE_TYPES.map((type) => `${type}?patient=${names}`),
          `Observation?patient=${names}&code=${BASE}CodeSystem/observation|check-in`,
        ],
      },
    ] satisfies Wish[];
  });
}

/** Values of the `quantities` of `patients`, as they are measured. */
export function valueWishes(patients: readonly string[], quantities: readonly string[]): Wish[] {
  const codes = searchCodes(quantities).join(",");
  return partsOf(patients, MOST_PATIENTS).map((part) => ({
    purpose: "values",
    topic: TOPIC.change,
    filters: [`Observation?patient=${part.join(",")}&code=${codes}`],
  }));
}
