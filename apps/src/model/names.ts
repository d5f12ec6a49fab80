// Who a reference is, for people. Pure.

import { keyOf, localReference, nameOf } from "../fhir/read";
import type { CareTeam, FhirResource } from "../fhir/types";

/** Names by `Type/id`: from the people themselves, else as the care teams call them. */
export function namesOf(
  people: readonly FhirResource[],
  teams: readonly CareTeam[],
): ReadonlyMap<string, string> {
  const names = new Map<string, string>();
  for (const team of teams) {
    for (const { member } of team.participant ?? []) {
      const key = localReference(member?.reference);
      if (key && member?.display) names.set(key, member.display);
    }
  }
  for (const one of people) {
    const name =
      "name" in one && Array.isArray(one.name) ? nameOf(one.name as Parameters<typeof nameOf>[0]) : undefined;
    if (name) names.set(keyOf(one), name);
  }
  return names;
}
