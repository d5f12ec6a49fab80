import { describe, expect, it } from "vitest";
import { readPresence } from "./presence";

const frame = (...viewers: string[]) =>
  JSON.stringify({
    resourceType: "Parameters",
    parameter: [
      {
        name: "presence",
        part: [
          { name: "patient", valueReference: { reference: "Patient/ann" } },
          ...viewers.map((one) => ({ name: "viewer", valueReference: { reference: one } })),
        ],
      },
    ],
  });

describe("readPresence", () => {
  it("names everybody else at the chart", () => {
    expect(readPresence(frame("Practitioner/nina"))).toEqual({
      patient: "Patient/ann",
      viewers: ["Practitioner/nina"],
    });
  });

  it("names nobody where nobody is", () => {
    expect(readPresence(frame())?.viewers).toEqual([]);
  });

  it("takes nothing from another frame", () => {
    expect(readPresence('{"resourceType":"Bundle"}')).toBeUndefined();
    expect(readPresence("hello")).toBeUndefined();
  });
});
