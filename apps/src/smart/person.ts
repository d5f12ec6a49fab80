// Who has signed in, and what they see first. Pure.

/** How the app treats a person; what they may do is decided by the server alone. */
export type Role = "clinic" | "family" | "self";

export interface Person {
  /** `Type/id` of who the person acts as. */
  readonly reference: string;
  readonly role: Role;
}

/** The person of a launch; throws where the server did not say who it is. */
export function personOf(fhirUser: string | null | undefined): Person {
  const match = fhirUser?.match(
    /(Practitioner|PractitionerRole|RelatedPerson|Patient)\/([A-Za-z0-9.-]{1,64})$/,
  );
  if (!match) throw new Error("The server did not say who signed in (fhirUser). Sign in again and allow it.");
  const type = match[1];
  const role: Role = type === "Patient" ? "self" : type === "RelatedPerson" ? "family" : "clinic";
  return { reference: match[0], role };
}

/** Where the app begins: the patient an EHR has open, one's own record, else the list. */
export function firstPlace(person: Person, launchPatient: string | null): string {
  if (launchPatient) return `#/patient/${launchPatient}`;
  if (person.role === "self") return `#/patient/${person.reference.replace("Patient/", "")}`;
  return "#/";
}
