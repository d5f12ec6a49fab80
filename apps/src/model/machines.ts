// Machines and cuffs of a patient: what is in use, binding another one, and ending a use. Pure.

import { timeOf } from "../fhir/read";
import type { PatchStep } from "../fhir/server";
import { EUI_64, MDC } from "../fhir/systems";
import type { Device, DeviceUseStatement } from "../fhir/types";

export const KINDS: readonly { readonly code: string; readonly label: string }[] = [
  { code: "70929", label: "Dialysis machine" },
  { code: "528391", label: "Blood pressure cuff" },
];

/** The address a device proves itself by, `0A-1B-2C-FF-FE-3D-4E-5F`. */
export function addressOf(device: Device): string | undefined {
  return device.identifier?.find((one) => one.system === EUI_64)?.value;
}

/** An address as somebody typed it, in the form the server wants; undefined for what is none. */
export function typedAddress(text: string): string | undefined {
  const digits = text.replace(/[\s:-]/g, "").toUpperCase();
  return /^[0-9A-F]{16}$/.test(digits) ? digits.match(/../g)?.join("-") : undefined;
}

export function deviceName(device: Device | undefined): string {
  const coding = device?.type?.coding?.map((one) => one.code);
  const kind = KINDS.find((one) => coding?.includes(one.code))?.label ?? device?.type?.text ?? "Device";
  const said = [device?.manufacturer, device?.modelNumber ?? device?.deviceName?.[0]?.name].filter(Boolean);
  const serial = device?.serialNumber ? `, serial ${device.serialNumber}` : "";
  return `${kind}${said.length ? ` ${said.join(" ")}` : ""}${serial}`;
}

/** What ended still says whose the readings of its time are. */
const BINDS: ReadonlySet<string> = new Set(["active", "completed"]);

/** Whether what the device measures belongs to the patient of `use` at `now`. */
export function isInUse(use: DeviceUseStatement, now: number): boolean {
  const [start, end] = [timeOf(use.timingPeriod?.start), timeOf(use.timingPeriod?.end)];
  return BINDS.has(use.status) && (start === undefined || start <= now) && (end === undefined || now < end);
}

/** The use of `device` by `patient` from `now` on. */
export function bindingOf(patient: string, device: string, now: number): DeviceUseStatement {
  return {
    resourceType: "DeviceUseStatement",
    status: "active",
    subject: { reference: patient },
    device: { reference: device },
    recordedOn: new Date(now).toISOString(),
    timingPeriod: { start: new Date(now).toISOString() },
  };
}

/** The patch that ends a use at `now`: what was measured until then stays where it is. */
export function endingSteps(use: DeviceUseStatement, now: number): readonly PatchStep[] {
  const start = timeOf(use.timingPeriod?.start);
  const end = new Date(Math.max(now, start ?? now)).toISOString();
  return [
    { op: "replace", path: "/status", value: "completed" },
    use.timingPeriod
      ? { op: "add", path: "/timingPeriod/end", value: end }
      : { op: "add", path: "/timingPeriod", value: { end } },
  ];
}

export interface DeviceDraft {
  readonly kind: string;
  readonly address: string;
  readonly manufacturer: string;
  readonly model: string;
  readonly serial: string;
}

export function newDevice(draft: DeviceDraft): Device {
  const kind = KINDS.find((one) => one.code === draft.kind);
  const text = (name: string, value: string) => (value.trim() ? { [name]: value.trim() } : {});
  return {
    resourceType: "Device",
    status: "active",
    identifier: [{ system: EUI_64, value: typedAddress(draft.address) ?? "" }],
    type: { coding: [{ system: MDC, code: draft.kind }], text: kind?.label ?? "Device" },
    ...text("manufacturer", draft.manufacturer),
    ...text("modelNumber", draft.model),
    ...text("serialNumber", draft.serial),
  };
}
