// Values from before the app looked: the last ones of several patients, or a stretch of one.

import { quantityOf, searchCodes } from "../fhir/quantities";
import type { FhirServer } from "../fhir/server";
import type { Bundle, FhirResource } from "../fhir/types";

/** What a value needs; nothing else is sent. */
const ELEMENTS = "code,effective,value,component,subject,status";
const AT_ONCE = 30;

/** The path of the newest `count` Observations of a quantity. */
function newestPath(patient: string, quantity: string, count: number): string {
  const codes = searchCodes([quantity]).map(encodeURIComponent).join(",");
  return `Observation?patient=${patient}&code=${codes}&_sort=-date&_count=${count}&_elements=${ELEMENTS}`;
}

/** The newest values of each patient: of each quantity as many as `counts` says. */
export async function loadNewest(
  server: FhirServer,
  patients: readonly string[],
  counts: Readonly<Record<string, number>>,
): Promise<FhirResource[]> {
  const paths = patients.flatMap((patient) =>
    Object.entries(counts).map(([quantity, count]) => newestPath(patient, quantity, count)),
  );
  const found: FhirResource[] = [];
  for (let at = 0; at < paths.length; at += AT_ONCE) {
    const answers = await server.askAll(paths.slice(at, at + AT_ONCE));
    for (const answer of answers) found.push(...resourcesOf(answer));
  }
  return found;
}

/** Values of one patient over a stretch, thinned: of each of `points` moments the first Observation of each quantity. */
export async function loadStretch(
  server: FhirServer,
  patient: string,
  quantities: readonly string[],
  from: number,
  until: number,
  points: number,
): Promise<FhirResource[]> {
  const width = (until - from) / points;
  const paths: string[] = [];
  for (let index = 0; index < points; index += 1) {
    const start = from + index * width;
    // One machine value a second: two seconds hold one of each quantity, and rarely two.
    const end = Math.min(start + Math.min(width, 2000), until);
    const codes = searchCodes(quantities).map(encodeURIComponent).join(",");
    paths.push(
      `Observation?patient=${patient}&code=${codes}&date=ge${new Date(start).toISOString()}` +
        `&date=lt${new Date(end).toISOString()}&_count=${quantities.length * 2}&_elements=${ELEMENTS}`,
    );
  }
  const parts: string[][] = [];
  for (let at = 0; at < paths.length; at += AT_ONCE) parts.push(paths.slice(at, at + AT_ONCE));
  const answers = await Promise.all(parts.map((part) => server.askAll(part)));
  return answers.flat().flatMap(resourcesOf);
}

/** All blood pressures and pulses of a stretch: there are few. */
export async function loadCuff(server: FhirServer, patient: string, from: number): Promise<FhirResource[]> {
  const codes = [...searchCodes(["systolic"]), ...quantityOf("heart-rate").codes].join(",");
  return server.searchAll(
    "Observation",
    {
      patient,
      code: codes,
      date: `ge${new Date(from).toISOString()}`,
      _sort: "-date",
      _count: "500",
      _elements: ELEMENTS,
    },
    3000,
  );
}

function resourcesOf(answer: FhirResource | undefined): FhirResource[] {
  if (answer?.resourceType !== "Bundle") return [];
  return ((answer as Bundle).entry ?? []).flatMap((one) => one.resource ?? []);
}
