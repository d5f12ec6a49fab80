import { describe, expect, it } from "vitest";
import { AT_START, owed, step } from "./cursor";

describe("step", () => {
  it("goes on with the next numbers", () => {
    expect(step(AT_START, [1, 2])).toEqual({ cursor: { through: 2 }, isNew: true, missing: undefined });
  });

  it("drops a repetition", () => {
    expect(step({ through: 5 }, [4, 5]).isNew).toBe(false);
  });

  it("takes the new part of a frame that repeats another", () => {
    expect(step({ through: 5 }, [5, 6])).toEqual({
      cursor: { through: 6 },
      isNew: true,
      missing: undefined,
    });
  });

  it("names what is missing", () => {
    expect(step({ through: 5 }, [9]).missing).toEqual({ from: 6, until: 8 });
  });

  it("learns nothing from a frame without events", () => {
    expect(step({ through: 5 }, []).cursor.through).toBe(5);
  });
});

describe("owed", () => {
  it("is nothing when all was seen", () => {
    expect(owed({ through: 5 }, 5)).toBeUndefined();
  });

  it("is what came after", () => {
    expect(owed({ through: 5 }, 7)).toEqual({ from: 6, until: 7 });
  });
});
