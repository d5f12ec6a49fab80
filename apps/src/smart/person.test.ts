import { describe, expect, it } from "vitest";
import { firstPlace, personOf } from "./person";

describe("personOf", () => {
  it.each([
    ["Practitioner/nina", "clinic"],
    ["https://fhir.example.org/fhir/PractitionerRole/nina-ward", "clinic"],
    ["RelatedPerson/bob", "family"],
    ["Patient/ann", "self"],
  ])("%s is %s", (fhirUser, role) => {
    expect(personOf(fhirUser).role).toBe(role);
  });

  it("knows nobody where nobody is named", () => {
    expect(() => personOf(null)).toThrow(/who signed in/);
    expect(() => personOf("Device/machine")).toThrow(/who signed in/);
  });
});

describe("firstPlace", () => {
  it("is the patient an EHR has open, whoever signed in", () => {
    expect(firstPlace(personOf("Practitioner/nina"), "ann")).toBe("#/patient/ann");
  });

  it("is the list for a clinic and a family, and oneself for a patient", () => {
    expect(firstPlace(personOf("Practitioner/nina"), null)).toBe("#/");
    expect(firstPlace(personOf("RelatedPerson/bob"), null)).toBe("#/");
    expect(firstPlace(personOf("Patient/ann"), null)).toBe("#/patient/ann");
  });
});
