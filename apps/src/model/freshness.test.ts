import { describe, expect, it } from "vitest";
import { ageText, durationText, freshnessOf } from "./freshness";

describe("freshnessOf", () => {
  it("is fresh up to its interval and stale after it", () => {
    expect(freshnessOf(0, 20_000, 20_000)).toBe("fresh");
    expect(freshnessOf(0, 20_001, 20_000)).toBe("stale");
  });

  it("is none without a value: missing is not zero", () => {
    expect(freshnessOf(undefined, 0, 1)).toBe("none");
  });
});

describe("ageText", () => {
  it.each([
    [-5000, "0 s"],
    [59_999, "59 s"],
    [60_000, "1 min"],
    [3_900_000, "1 h 05 min"],
    [172_800_000, "2 days"],
  ])("%d ms is %s", (ms, text) => expect(ageText(ms)).toBe(text));
});

describe("durationText", () => {
  it("has hours from sixty minutes on", () => {
    expect(durationText(59.6)).toBe("1 h 00 min");
    expect(durationText(35)).toBe("35 min");
    expect(durationText(-1)).toBe("0 min");
  });
});
