// Every system, canonical and extension URL the app knows, once.

/** Base of everything this project defines (topics, extensions, code systems). */
export const BASE = "https://w3id.org/fhirserver/";
const HL7 = "http://hl7.org/fhir/StructureDefinition/";
const BACKPORT = "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/";

export const MDC = "urn:iso:std:iso:11073:10101";
export const LOINC = "http://loinc.org";
export const SNOMED = "http://snomed.info/sct";
export const UCUM = "http://unitsofmeasure.org";

export const HEMODIALYSIS = "302497006";
export const RUN_SHEET = "run-sheet";

export const TOPIC = {
  alert: `${BASE}SubscriptionTopic/device-alert`,
  change: `${BASE}SubscriptionTopic/resource-change`,
} as const;

export const EXTENSION = {
  priority: `${HL7}flag-priority`,
  evidence: `${HL7}flag-detail`,
  incident: `${BASE}StructureDefinition/incident`,
  presence: `${BASE}StructureDefinition/condition-presence`,
  ruleVersion: `${BASE}StructureDefinition/rule-version`,
  alertDevice: `${BASE}StructureDefinition/alert-device`,
  tier: `${BASE}StructureDefinition/escalation-tier`,
  requestedPeriod: "http://hl7.org/fhir/5.0/StructureDefinition/extension-Task.requestedPeriod",
  filter: `${BACKPORT}backport-filter-criteria`,
  content: `${BACKPORT}backport-payload-content`,
  heartbeat: `${BACKPORT}backport-heartbeat-period`,
  maxCount: `${BACKPORT}backport-max-count`,
  order: `${BASE}StructureDefinition/escalation-order`,
  channel: `${BASE}StructureDefinition/contact-channel`,
  quietHours: `${BASE}StructureDefinition/quiet-hours`,
  onCall: `${BASE}StructureDefinition/on-call-schedule`,
  teamOwner: `${BASE}StructureDefinition/care-team-admin`,
  rule: `${BASE}StructureDefinition/monitoring-rule`,
} as const;

export const TEAM_CATEGORY = `${BASE}CodeSystem/care-team-category`;
export const DOCUMENT_TYPE = `${BASE}CodeSystem/document-type`;
export const AUDIT_EVENT = `${BASE}CodeSystem/audit-event`;
export const CONSENT_SCOPE = "http://terminology.hl7.org/CodeSystem/consentscope";
export const RESOURCE_TYPES = "http://hl7.org/fhir/resource-types";
export const ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode";
export const PARTICIPATION = "http://terminology.hl7.org/CodeSystem/v3-ParticipationType";
export const EUI_64 = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680";
export const BODY_WEIGHT = "29463-7";

export const TASK = `${BASE}CodeSystem/task`;
export const PAGE_INPUT = `${BASE}CodeSystem/page-input`;
export const CHECK_IN = "check-in";
