import { expect, test } from "vitest";
import type { DeviceUseStatement } from "../fhir/types";
import { addressOf, bindingOf, deviceName, endingSteps, isInUse, newDevice, typedAddress } from "./machines";

const NOW = Date.parse("2026-05-10T12:00:00Z");
const LATER = NOW + 60_000;

test.each([
  ["0a:1b:2c:ff:fe:3d:4e:5f", "0A-1B-2C-FF-FE-3D-4E-5F"],
  ["0A1B2CFFFE3D4E5F", "0A-1B-2C-FF-FE-3D-4E-5F"],
  [" 0A-1B-2C-FF-FE-3D-4E-5F ", "0A-1B-2C-FF-FE-3D-4E-5F"],
  ["0A1B2CFFFE3D4E", undefined],
  ["0G1B2CFFFE3D4E5F", undefined],
  ["", undefined],
])("the address %s is %s", (text, address) => {
  expect(typedAddress(text)).toBe(address);
});

test("a new device has its address and is named for people", () => {
  const device = newDevice({
    kind: "70929",
    address: "0a1b2cfffe3d4e5f",
    manufacturer: "Acme",
    model: "HD 1",
    serial: " ",
  });
  expect(addressOf(device)).toBe("0A-1B-2C-FF-FE-3D-4E-5F");
  expect(deviceName(device)).toBe("Dialysis machine Acme HD 1");
  expect(device.serialNumber).toBeUndefined();
  expect(deviceName(undefined)).toBe("Device");
});

test("a use counts from its beginning to its end", () => {
  const use = bindingOf("Patient/ann", "Device/m", NOW);
  expect(isInUse(use, NOW)).toBe(true);
  expect(isInUse(use, NOW - 1)).toBe(false);
  expect(isInUse({ ...use, status: "intended" }, NOW)).toBe(false);
  expect(isInUse({ ...use, status: "entered-in-error" }, NOW)).toBe(false);
  expect(isInUse({ ...use, timingPeriod: { end: "2026-05-10T12:00:30Z" } }, LATER)).toBe(false);
});

test("ending a use never makes it end before it began", () => {
  const use = bindingOf("Patient/ann", "Device/m", LATER);
  expect(endingSteps(use, NOW)[1]).toEqual({
    op: "add",
    path: "/timingPeriod/end",
    value: new Date(LATER).toISOString(),
  });
  const { timingPeriod: _, ...bare } = use;
  expect(endingSteps(bare as DeviceUseStatement, NOW)[1]).toEqual({
    op: "add",
    path: "/timingPeriod",
    value: { end: new Date(NOW).toISOString() },
  });
});
