// What an open chart needs beside what the list has: long values, limits, past alerts, devices, run sheets.

import { useEffect, useMemo } from "react";
import { QUANTITIES } from "../fhir/quantities";
import { loadCuff, loadNewest } from "../live/history";
import { NO_RULES, rulesOf, type Rules } from "../model/limits";
import type { FhirResource } from "../fhir/types";
import type { Query } from "../fhir/server";
import { Refused } from "../fhir/refused";
import { useFeedState, useLive, useRecord } from "./live";
import { useLoaded, type Loaded } from "./use_loaded";

export const CHART_QUANTITIES = QUANTITIES.map((one) => one.key);
const MACHINE_KEYS = QUANTITIES.filter((one) => one.group !== "blood pressure").map((one) => one.key);

const MINUTE = 60_000;
/** Blood pressures are loaded for so long; machine values by the trace, as far as it is looked at. */
const CUFF_MS = 26 * 60 * MINUTE;

/** Opens the chart: values of this patient stream from now on, and others see who looks. */
export function useOpenChart(patient: string): void {
  const { feed, record, server, clock } = useLive();
  const { isLoaded, turn } = useFeedState();
  useEffect(() => {
    record.open(patient);
    feed.openChart(patient);
    return () => {
      record.open(undefined);
      feed.openChart(undefined);
    };
  }, [feed, record, patient]);
  useEffect(() => {
    if (!isLoaded) return;
    const counts = Object.fromEntries(MACHINE_KEYS.map((key) => [key, 120]));
    const load = async () => {
      await feed.watchValues([patient], CHART_QUANTITIES);
      feed.take(await loadCuff(server, patient, clock.now() - CUFF_MS));
      feed.take(await loadNewest(server, [patient], counts));
    };
    // What does not come is seen: each value says since when there is none.
    load().catch(() => undefined);
  }, [feed, server, clock, patient, isLoaded, turn]);
}

/** The limits in force now; asked again when an order changes. */
export function useRules(patient: string): Loaded<Rules> {
  const { server } = useLive();
  const record = useRecord();
  const orders = record.all("ServiceRequest");
  return useLoaded(
    async () => rulesOf(await server.ask(`${patient}/$monitoring-rules`)),
    [server, patient, orders],
  );
}

export { NO_RULES };

/** Past alerts, their pages, devices and run sheets, loaded once and then followed. */
export function usePast(patient: string): Loaded<true> {
  const { server, feed } = useLive();
  const { turn, isLoaded } = useFeedState();
  const searches = useMemo<readonly (readonly [string, Query])[]>(
    () => [
      ["Flag", { patient, _sort: "-date", _count: "100" }],
      ["Task", { patient, _sort: "-_lastUpdated", _count: "200" }],
      ["Procedure", { patient, _sort: "-date", _count: "20" }],
      ["DiagnosticReport", { patient, _sort: "-date", _count: "60" }],
      ["DeviceUseStatement", { patient, _include: "DeviceUseStatement:device", _count: "50" }],
    ],
    [patient],
  );
  return useLoaded(async () => {
    if (!isLoaded) return true as const;
    const found = await Promise.all(searches.map(([type, query]) => firstPage(type, query)));
    feed.take(found.flat());
    return true as const;
  }, [server, feed, searches, turn, isLoaded]);

  async function firstPage(type: string, query: Query): Promise<FhirResource[]> {
    try {
      const bundle = await server.search(type, query);
      return (bundle.entry ?? []).flatMap((one) => one.resource ?? []);
    } catch (error) {
      // What is not for this person to see is left out; anything else is told.
      if (error instanceof Refused && (error.status === 403 || error.status === 404)) return [];
      throw error;
    }
  }
}
