// What stands when the app opens: who there is, what is open, who treats whom. Alerts and answers first.

import { HEMODIALYSIS, TASK } from "../fhir/systems";
import { Refused } from "../fhir/refused";
import type { FhirServer, Query } from "../fhir/server";
import type { FhirResource } from "../fhir/types";

type Search = readonly [string, Query];

const OPEN: readonly Search[] = [
  ["Flag", { status: "active", _count: "500" }],
  [
    "Task",
    {
      code: `${TASK}|incident`,
      status: "requested,received,accepted,in-progress,on-hold",
      _revinclude: "Task:part-of",
      _count: "200",
    },
  ],
  ["Procedure", { status: "in-progress", code: HEMODIALYSIS, _count: "500" }],
];

const STANDING: readonly Search[] = [
  ["Patient", { _count: "500" }],
  ["CareTeam", { status: "active", _include: "CareTeam:participant", _count: "200" }],
];

/** What stands, and the types this person may not see at all: of those nothing may be said, not even that there is none. */
export interface Standing {
  readonly resources: readonly FhirResource[];
  readonly hidden: readonly string[];
}

/** What changes by the second: alerts, who answers, treatments. */
export const loadOpen = (server: FhirServer): Promise<Standing> => load(server, OPEN);

/** Everything a list of patients needs. */
export const loadAll = (server: FhirServer): Promise<Standing> => load(server, [...OPEN, ...STANDING]);

async function load(server: FhirServer, searches: readonly Search[]): Promise<Standing> {
  const hidden: string[] = [];
  const found = await Promise.all(
    searches.map(([type, query]) =>
      server.searchAll(type, query).catch((error: unknown) => {
        if (!(error instanceof Refused && error.status === 403)) throw error;
        hidden.push(type);
        return [];
      }),
    ),
  );
  return { resources: found.flat(), hidden };
}
