import { describe, expect, it } from "vitest";
import { configFrom } from "./config";

describe("configFrom", () => {
  it("takes a relative base from where the app is", () => {
    const found = configFrom({ clientId: "app", iss: "../fhir" }, "https://home.example.org/app/");
    expect(found.iss).toBe("https://home.example.org/fhir");
  });

  it("keeps an absolute base, without a slash at its end", () => {
    const found = configFrom(
      { clientId: "app", iss: "https://fhir.example.org/r4/" },
      "https://a.example.org/",
    );
    expect(found.iss).toBe("https://fhir.example.org/r4");
  });

  it("says what is missing", () => {
    expect(() => configFrom({ iss: "x" }, "https://a.example.org/")).toThrow(/clientId and iss/);
    expect(() => configFrom(null, "https://a.example.org/")).toThrow(/clientId and iss/);
  });
});
