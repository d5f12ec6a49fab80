import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { MDC } from "../fhir/systems";
import type { Flag, Observation } from "../fhir/types";
import { LiveRecord } from "./record";

const flag = (version: string, status: Flag["status"]): Flag => ({
  resourceType: "Flag",
  id: "f",
  meta: { versionId: version },
  status,
  code: {},
  subject: { reference: "Patient/ann" },
});

const venous = (time: string, value: number): Observation => ({
  resourceType: "Observation",
  id: time,
  status: "final",
  code: { coding: [{ system: MDC, code: "158776" }] },
  subject: { reference: "Patient/ann" },
  effectiveDateTime: time,
  valueQuantity: { value },
});

describe("LiveRecord", () => {
  beforeEach(() => void vi.useFakeTimers());
  afterEach(() => void vi.useRealTimers());

  it("keeps the newest version, in whatever order versions come", () => {
    const record = new LiveRecord();
    record.put(flag("10", "inactive"));
    record.put(flag("9", "active"));
    expect(record.all("Flag").map((one) => one.status)).toEqual(["inactive"]);
  });

  it("tells once of many changes", () => {
    const record = new LiveRecord();
    const told = vi.fn();
    record.subscribe(told);
    record.put(flag("1", "active"));
    record.put(flag("2", "active"));
    expect(told).not.toHaveBeenCalled();
    vi.runAllTimers();
    expect(told).toHaveBeenCalledTimes(1);
  });

  it("tells of values to those who look at the patient, and to nobody else", () => {
    const record = new LiveRecord();
    const [ann, joe, resources] = [vi.fn(), vi.fn(), vi.fn()];
    record.subscribeValues("Patient/ann", ann);
    record.subscribeValues("Patient/joe", joe);
    record.subscribe(resources);
    record.put(venous("2026-08-01T09:30:00Z", 160));
    vi.runAllTimers();
    expect(ann).toHaveBeenCalledTimes(1);
    expect(joe).not.toHaveBeenCalled();
    expect(resources).not.toHaveBeenCalled();
    expect(record.values("Patient/ann", "venous")?.lastValue).toBe(160);
    expect(record.all("Observation")).toEqual([]);
  });

  it("forgets what was deleted", () => {
    const record = new LiveRecord();
    record.put(flag("1", "active"));
    record.remove("Flag/f");
    expect(record.all("Flag")).toEqual([]);
  });
});
