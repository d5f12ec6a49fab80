// The FHIR R4 types the app speaks of; all come from the specification's own definitions.

import type { Bundle as AnyBundle, BundleEntry as AnyBundleEntry, FhirResource } from "fhir/r4";

/** A Bundle of resources of R4. */
export type Bundle = AnyBundle<FhirResource>;
export type BundleEntry = AnyBundleEntry<FhirResource>;

export type {
  Attachment,
  AuditEvent,
  CarePlan,
  CareTeam,
  CareTeamParticipant,
  CodeableConcept,
  Coding,
  Consent,
  ConsentProvision,
  Communication,
  Device,
  DeviceUseStatement,
  DiagnosticReport,
  DocumentReference,
  Extension,
  FhirResource,
  Flag,
  Goal,
  HumanName,
  Observation,
  OperationOutcome,
  Parameters,
  ParametersParameter,
  Patient,
  Period,
  Practitioner,
  PractitionerRole,
  Procedure,
  Provenance,
  Quantity,
  Reference,
  RelatedPerson,
  ServiceRequest,
  Subscription,
  Task,
} from "fhir/r4";
