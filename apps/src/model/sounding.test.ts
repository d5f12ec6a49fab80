import { describe, expect, it } from "vitest";
import type { Alert, Page } from "./alerts";
import type { Row } from "./roster";
import { soundAt } from "./sounding";

const row = (id: string, priority: Alert["priority"], answer?: Page["answer"]): Row =>
  ({
    patient: `Patient/${id}`,
    alerts: [{ id, priority, isActive: true }],
    help: answer && { answer },
  }) as unknown as Row;

describe("soundAt", () => {
  it("sounds for high priority until somebody is at the patient", () => {
    expect(soundAt("live", [row("a", "PH")], undefined, 0)).toBe("high");
    expect(soundAt("live", [row("a", "PH", "coming")], undefined, 0)).toBe("high");
    expect(soundAt("live", [row("a", "PH", "there")], undefined, 0)).toBeUndefined();
  });

  it("does not sound for less", () => {
    expect(soundAt("live", [row("a", "PM")], undefined, 0)).toBeUndefined();
  });

  it("sounds when alarms cannot arrive", () => {
    expect(soundAt("lost", [], undefined, 0)).toBe("lost");
    expect(soundAt("late", [], undefined, 0)).toBeUndefined();
  });

  it("is silent for a while for what was there, and for nothing new", () => {
    const silenced = { until: 1000, alerts: new Set(["a"]) };
    expect(soundAt("live", [row("a", "PH")], silenced, 999)).toBeUndefined();
    expect(soundAt("live", [row("a", "PH"), row("b", "PH")], silenced, 999)).toBe("high");
    expect(soundAt("live", [row("a", "PH")], silenced, 1000)).toBe("high");
    expect(soundAt("lost", [], silenced, 999)).toBeUndefined();
  });
});
