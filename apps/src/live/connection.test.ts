import { describe, expect, it } from "vitest";
import { connectionAt, needsNewSubscriptions, pauseBefore } from "./connection";

const heard = (...times: number[]) => ({
  since: 0,
  lastHeard: new Map(times.map((time, index) => [String(index), time])),
});

describe("connectionAt", () => {
  it("is starting until the server is heard", () => {
    expect(connectionAt(heard(), 29_999)).toBe("starting");
  });

  it("is lost when the server is never heard", () => {
    expect(connectionAt(heard(), 30_000)).toBe("lost");
  });

  it("is live, late after 15 s and lost after 30 s of silence", () => {
    expect(connectionAt(heard(1000), 15_999)).toBe("live");
    expect(connectionAt(heard(1000), 16_000)).toBe("late");
    expect(connectionAt(heard(1000), 31_000)).toBe("lost");
  });

  it("is as good as the Subscription that is silent longest", () => {
    expect(connectionAt(heard(1000, 40_000), 40_000)).toBe("lost");
  });
});

describe("pauseBefore", () => {
  it("grows, spreads by chance and has an end", () => {
    expect(pauseBefore(1, 0)).toBe(375);
    expect(pauseBefore(1, 1)).toBe(625);
    expect(pauseBefore(20, 0.5)).toBe(10_000);
  });
});

describe("needsNewSubscriptions", () => {
  it("knows a Subscription that is gone from a server that stops", () => {
    expect(needsNewSubscriptions(4410)).toBe(true);
    expect(needsNewSubscriptions(1001)).toBe(false);
  });
});
