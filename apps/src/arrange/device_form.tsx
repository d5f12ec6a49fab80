// Binding a device to a patient: one the clinic has, or a new one, which is then enrolled by an administrator.

import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { EUI_64 } from "../fhir/systems";
import type { Device } from "../fhir/types";
import {
  addressOf,
  bindingOf,
  deviceName,
  KINDS,
  newDevice,
  typedAddress,
  type DeviceDraft,
} from "../model/machines";
import { useLive } from "../view/live";
import { useLoaded } from "../view/use_loaded";
import { Field, focusFirstProblem } from "./field";
import { StateOf } from "./state_of";
import type { Saving } from "./use_saving";

const NEW = "new";
const EMPTY: DeviceDraft = { kind: KINDS[0]!.code, address: "", manufacturer: "", model: "", serial: "" };

export function BindForm({
  patient,
  saving,
}: {
  readonly patient: string;
  readonly saving: Saving;
}): React.JSX.Element {
  const { server, clock } = useLive();
  const form = useRef<HTMLFormElement>(null);
  const [chosen, setChosen] = useState("");
  const [draft, setDraft] = useState<DeviceDraft>(EMPTY);
  const [problems, setProblems] = useState<{ chosen?: string; address?: string }>({});
  const [made, setMade] = useState<Device | undefined>(undefined);
  const known = useLoaded(async () => {
    const found = await server.searchAll(
      "Device",
      { status: "active", identifier: `${EUI_64}|`, _count: "200" },
      1000,
    );
    return found.filter(
      (one): one is Device => one.resourceType === "Device" && addressOf(one) !== undefined,
    );
  }, [server]);
  const set = (part: Partial<DeviceDraft>) => setDraft({ ...draft, ...part });
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    const address = typedAddress(draft.address);
    const isKnown = address && known.value?.some((one) => addressOf(one) === address);
    const wrong = {
      ...(chosen ? {} : { chosen: "Choose a device." }),
      ...(chosen === NEW && !address
        ? { address: "16 digits and letters A to F, as on the label: 0A-1B-2C-FF-FE-3D-4E-5F." }
        : chosen === NEW && isKnown
          ? { address: "There is a device with this address: choose it in the list." }
          : {}),
    };
    flushSync(() => setProblems(wrong));
    if (Object.keys(wrong).length) return focusFirstProblem(form.current);
    setMade(undefined);
    const isDone = await saving.save(async () => {
      let reference = chosen;
      if (chosen === NEW) {
        const device = await server.create(newDevice(draft));
        setMade(device);
        reference = `Device/${device.id}`;
        // If binding it is refused, it stands in the list, and nobody makes it twice.
        setChosen(reference);
        known.again();
      }
      await server.create(bindingOf(patient, reference, clock.now()));
    }, "Bound. What it measures from now on belongs to this patient.");
    if (!isDone) return;
    setChosen("");
    setDraft(EMPTY);
  };
  return (
    <details>
      <summary>Bind a device</summary>
      <StateOf of={known} what="the devices of the clinic" />
      <form ref={form} className="form" noValidate onSubmit={(event) => void submit(event)}>
        <Field
          label="Which device"
          hint="One that somebody else uses is refused: that use has to end first."
          problem={problems.chosen}
        >
          {(wired) => (
            <select {...wired} value={chosen} onChange={(event) => setChosen(event.target.value)}>
              <option value="">Choose…</option>
              {known.value?.map((one) => (
                <option key={one.id} value={`Device/${one.id}`}>
                  {deviceName(one)} ({addressOf(one)})
                </option>
              ))}
              <option value={NEW}>A new device…</option>
            </select>
          )}
        </Field>
        {chosen === NEW && (
          <fieldset>
            <legend>The new device</legend>
            <div className="fields">
              <Field label="Kind">
                {(wired) => (
                  <select
                    {...wired}
                    value={draft.kind}
                    onChange={(event) => set({ kind: event.target.value })}
                  >
                    {KINDS.map((one) => (
                      <option key={one.code} value={one.code}>
                        {one.label}
                      </option>
                    ))}
                  </select>
                )}
              </Field>
              <Field label="Address (EUI-64)" hint="On the label of the device" problem={problems.address}>
                {(wired) => (
                  <input
                    {...wired}
                    value={draft.address}
                    onChange={(event) => set({ address: event.target.value })}
                  />
                )}
              </Field>
              {(
                [
                  ["manufacturer", "Manufacturer"],
                  ["model", "Model"],
                  ["serial", "Serial number"],
                ] as const
              ).map(([key, label]) => (
                <Field key={key} label={label}>
                  {(wired) => (
                    <input
                      {...wired}
                      value={draft[key]}
                      onChange={(event) => set({ [key]: event.target.value })}
                    />
                  )}
                </Field>
              ))}
            </div>
          </fieldset>
        )}
        <div className="tools">
          <button type="submit" className="main" disabled={saving.step === "sending"}>
            Bind it from now on
          </button>
        </div>
      </form>
      {made && (
        <p className="why">
          The new device is not enrolled yet, so nothing it sends is taken. An administrator enrols it: POST
          Device/{made.id}/$enroll gives its name and password, once. No app can do that: it takes an
          administrator’s own token.
        </p>
      )}
    </details>
  );
}
