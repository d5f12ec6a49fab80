// Which devices are used, when they were last heard, and their battery.

import { localReference } from "../fhir/read";
import { quantityOf } from "../fhir/quantities";
import type { Device } from "../fhir/types";
import { ageText, freshnessOf } from "../model/freshness";
import { useRecord, useValues } from "./live";

const KINDS: Readonly<Record<string, string>> = {
  "528391": "Blood pressure cuff",
  "70929": "Dialysis machine",
};

export function Devices({
  patient,
  now,
}: {
  readonly patient: string;
  readonly now: number;
}): React.JSX.Element {
  const record = useRecord();
  useValues(patient);
  const used = record
    .all("DeviceUseStatement")
    .filter((one) => localReference(one.subject?.reference) === patient && one.status === "active");
  const battery = record.values(patient, "battery");
  const heard = (key: string) => {
    const last = record.values(patient, key)?.lastTime;
    const freshness = freshnessOf(last, now, quantityOf(key).interval);
    if (last === undefined) return "no value yet";
    return freshness === "fresh" ? `heard ${ageText(now - last)} ago` : `silent for ${ageText(now - last)}`;
  };
  return (
    <section aria-labelledby="devices-title" className="card">
      <h2 id="devices-title">Devices</h2>
      {used.length === 0 && <p className="quiet">No device in use is shown to you.</p>}
      <ul className="plain">
        {used.map((one) => {
          const device = record.get(localReference(one.device?.reference)) as Device | undefined;
          const code = device?.type?.coding?.[0]?.code ?? "";
          return (
            <li key={one.id}>
              <b>{KINDS[code] ?? "Device"}</b>{" "}
              {[device?.manufacturer, device?.modelNumber].filter(Boolean).join(" ")}{" "}
              <span className="quiet">{heard(code === "528391" ? "systolic" : "venous")}</span>
            </li>
          );
        })}
        {battery?.lastValue !== undefined && (
          <li>
            Battery {battery.lastValue.toFixed(0)} %{" "}
            <span className="quiet">{ageText(now - (battery.lastTime ?? now))} ago</span>
          </li>
        )}
      </ul>
    </section>
  );
}
