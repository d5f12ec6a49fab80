import { describe, expect, it } from "vitest";
import { offsetFrom, ServerClock } from "./server_clock";

describe("ServerClock", () => {
  it("is ours while nothing was heard", () => {
    expect(new ServerClock(() => 5000).now()).toBe(5000);
  });

  it("follows the message that was quickest", () => {
    const clock = new ServerClock(() => 1_000_000);
    clock.learn(offsetFrom(1_060_000, 1_000_000));
    clock.learn(offsetFrom(1_060_000, 1_004_000));
    expect(clock.now()).toBe(1_060_000);
  });

  it("forgets old messages: a clock that was put right is right again", () => {
    const clock = new ServerClock(() => 0);
    clock.learn(60_000);
    for (let turn = 0; turn < 20; turn += 1) clock.learn(-10);
    expect(clock.offset).toBe(-10);
  });
});
