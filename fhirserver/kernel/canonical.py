"""Canonical URLs of everything this product defines, and the code systems it speaks.

One constant per URL, so that a canonical can never be spelled in two ways.
"""

from typing import Final

BASE: Final = "https://w3id.org/fhirserver/"

ESCALATION_TIER: Final = BASE + "StructureDefinition/escalation-tier"
ESCALATION_ORDER: Final = BASE + "StructureDefinition/escalation-order"
CONTACT_CHANNEL: Final = BASE + "StructureDefinition/contact-channel"
QUIET_HOURS: Final = BASE + "StructureDefinition/quiet-hours"
ON_CALL_SCHEDULE: Final = BASE + "StructureDefinition/on-call-schedule"
CARE_TEAM_ADMIN: Final = BASE + "StructureDefinition/care-team-admin"
LADDER_TIMING: Final = BASE + "StructureDefinition/ladder-timing"
MONITORING_RULE: Final = BASE + "StructureDefinition/monitoring-rule"
INCIDENT: Final = BASE + "StructureDefinition/incident"
RULE_VERSION: Final = BASE + "StructureDefinition/rule-version"
CONDITION_PRESENCE: Final = BASE + "StructureDefinition/condition-presence"
ALERT_DEVICE: Final = BASE + "StructureDefinition/alert-device"
ALERT_SOURCE: Final = BASE + "StructureDefinition/alert-source"
ALERT_TYPE: Final = BASE + "StructureDefinition/alert-type"
ALERT_ANSWER: Final = BASE + "StructureDefinition/alert-answer"

ALERT_CODES: Final = BASE + "CodeSystem/alert"
FLAG_CATEGORIES: Final = BASE + "CodeSystem/flag-category"
CHANNEL_TYPES: Final = BASE + "CodeSystem/channel-type"
TASK_CODES: Final = BASE + "CodeSystem/task"
PAGE_INPUTS: Final = BASE + "CodeSystem/page-input"
CARE_TEAM_CATEGORIES: Final = BASE + "CodeSystem/care-team-category"
DOCUMENT_TYPES: Final = BASE + "CodeSystem/document-type"

TOPIC_READING: Final = BASE + "SubscriptionTopic/reading"
TOPIC_ALERT_TASK: Final = BASE + "SubscriptionTopic/alert-task"
TOPIC_DEVICE_ALERT: Final = BASE + "SubscriptionTopic/device-alert"
TOPIC_ALERT_ANSWER: Final = BASE + "SubscriptionTopic/alert-answer"
TOPIC_SESSION: Final = BASE + "SubscriptionTopic/session"
TOPIC_PATIENT_OBSERVATION: Final = BASE + "SubscriptionTopic/patient-observation"
TOPIC_ADMISSION: Final = BASE + "SubscriptionTopic/admission"
TOPIC_CARE_TEAM_CHANGE: Final = BASE + "SubscriptionTopic/care-team-change"
TOPIC_RESOURCE_CHANGE: Final = BASE + "SubscriptionTopic/resource-change"

TREATMENT_CODES: Final = BASE + "CodeSystem/treatment"
THERAPY_IDENTIFIER: Final = BASE + "NamingSystem/therapy-id"
DEFAULT_RULES: Final = BASE + "PlanDefinition/default-rules"
ALERT_IDENTIFIER: Final = BASE + "NamingSystem/alert-id"

BACKPORT_GUIDE: Final = "http://hl7.org/fhir/uv/subscriptions-backport/"
BACKPORT: Final = BACKPORT_GUIDE + "StructureDefinition/"
FLAG_PRIORITY: Final = "http://hl7.org/fhir/StructureDefinition/flag-priority"
FLAG_DETAIL: Final = "http://hl7.org/fhir/StructureDefinition/flag-detail"
REQUESTED_PERIOD: Final = (
    "http://hl7.org/fhir/5.0/StructureDefinition/extension-Task.requestedPeriod"
)

MDC: Final = "urn:iso:std:iso:11073:10101"
LOINC: Final = "http://loinc.org"
UCUM: Final = "http://unitsofmeasure.org"
SNOMED: Final = "http://snomed.info/sct"
DEVICE_EUI64: Final = "urn:oid:1.2.840.10004.1.1.1.0.0.1.0.0.1.2680"
ACT_REASON: Final = "http://terminology.hl7.org/CodeSystem/v3-ActReason"
OBSERVATION_CATEGORY: Final = "http://terminology.hl7.org/CodeSystem/observation-category"
