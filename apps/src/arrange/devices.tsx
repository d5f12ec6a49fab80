// Devices: what is in use, binding another one, ending a use, and what enrolment needs.

import { useState } from "react";
import { ActionResult } from "../act/action";
import { localReference, timeOf } from "../fhir/read";
import type { Device, DeviceUseStatement } from "../fhir/types";
import { addressOf, deviceName, endingSteps, isInUse } from "../model/machines";
import { useLive, useNow } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import { Confirm } from "./confirm";
import { BindForm } from "./device_form";
import type { SectionProps } from "./index";
import { StateOf } from "./state_of";
import { useSaving } from "./use_saving";

export function DevicesSection({ patient }: SectionProps): React.JSX.Element {
  const { server, feed, person, clock } = useLive();
  const now = useNow(30_000);
  const [showsOld, setShowsOld] = useState(false);
  const loaded = useLoaded(async () => {
    const found = await server.searchAll("DeviceUseStatement", {
      patient,
      _include: "DeviceUseStatement:device",
    });
    feed.take(found);
    const devices = new Map<string, Device>();
    for (const one of found)
      if (one.resourceType === "Device") devices.set(`Device/${one.id}`, one as Device);
    return {
      devices,
      uses: found
        .filter((one): one is DeviceUseStatement => one.resourceType === "DeviceUseStatement")
        .sort((a, b) => (timeOf(b.timingPeriod?.start) ?? 0) - (timeOf(a.timingPeriod?.start) ?? 0)),
    };
  }, [server, feed, patient]);
  const saving = useSaving(loaded.again);
  const mayChange = person.role === "clinic";
  const end = (use: DeviceUseStatement) =>
    saving.save(
      async () => feed.take([await server.patch(use, endingSteps(use, clock.now()))]),
      "Ended. What the device measures from now on does not belong to this patient.",
    );
  const current = loaded.value?.uses.filter((one) => isInUse(one, now)) ?? [];
  const old = loaded.value?.uses.filter((one) => !isInUse(one, now)) ?? [];
  return (
    <section className="card" aria-labelledby="devices">
      <h2 id="devices">Devices in use</h2>
      <p className="quiet">
        A reading belongs to the patient who uses the device at that moment. No message of a device names a
        patient.
      </p>
      {!mayChange && (
        <p className="why">
          Devices are bound and taken back by nurses, doctors and technicians of the care team.
        </p>
      )}
      <StateOf of={loaded} what="the devices" />
      {loaded.value && current.length === 0 && (
        <p>No device is in use: nothing is measured, and nothing would ring.</p>
      )}
      <ul className="items">
        {current.map((one) => (
          <li key={one.id}>
            <Use use={one} device={deviceOf(one, loaded.value?.devices)} />
            {mayChange && (
              <Confirm
                label="End the use"
                meaning="From now on nothing this device measures belongs to this patient, and no alarm of it is about them."
                yes="Yes, end it now"
                disabled={saving.step === "sending"}
                onYes={() => void end(one)}
              />
            )}
          </li>
        ))}
      </ul>
      <ActionResult action={saving} />
      {old.length > 0 && (
        <>
          <button type="button" aria-expanded={showsOld} onClick={() => setShowsOld(!showsOld)}>
            {showsOld ? "Hide" : "Show"} earlier devices ({old.length})
          </button>
          {showsOld && (
            <ul className="items">
              {old.map((one) => (
                <li key={one.id}>
                  <Use use={one} device={deviceOf(one, loaded.value?.devices)} />
                </li>
              ))}
            </ul>
          )}
        </>
      )}
      {mayChange && loaded.value && <BindForm patient={patient} saving={saving} />}
    </section>
  );
}

function deviceOf(
  use: DeviceUseStatement,
  devices: ReadonlyMap<string, Device> | undefined,
): Device | undefined {
  return devices?.get(localReference(use.device.reference) ?? "");
}

function Use({
  use,
  device,
}: {
  readonly use: DeviceUseStatement;
  readonly device: Device | undefined;
}): React.JSX.Element {
  const [start, end] = [timeOf(use.timingPeriod?.start), timeOf(use.timingPeriod?.end)];
  const address = device && addressOf(device);
  return (
    <>
      <p>
        <b>{deviceName(device)}</b>
      </p>
      <p className="quiet">
        {start === undefined ? "Since an unknown time" : `From ${dayText(start)}`}
        {end === undefined ? "" : ` until ${dayText(end)}`}
        {address ? ` · address ${address}` : ""}
        {use.status === "entered-in-error" ? " · entered by mistake" : ""}
      </p>
    </>
  );
}
