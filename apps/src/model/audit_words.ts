// AuditEvents in plain words: who did what with a record, when, and why it was allowed or not. Pure.

import { localReference, timeOf } from "../fhir/read";
import { AUDIT_EVENT } from "../fhir/systems";
import type { AuditEvent } from "../fhir/types";

export interface Look {
  readonly id: string;
  readonly time: number;
  /** `Type/id` of a person; undefined for a program or somebody unknown. */
  readonly who: string | undefined;
  /** What the event itself calls whoever it was, where it is no person. */
  readonly whoElse: string | undefined;
  /** What was done, as `read measured values`. */
  readonly what: string;
  readonly isEmergency: boolean;
  readonly isRefused: boolean;
  /** How often, where the same was done several times in a row. */
  readonly times: number;
  readonly first: number;
}

const TYPES: Readonly<Record<string, string>> = {
  AuditEvent: "who looked at the record",
  CarePlan: "the treatment plan",
  CareTeam: "who is called",
  Communication: "messages",
  Condition: "diagnoses",
  Consent: "consents",
  Device: "devices",
  DeviceUseStatement: "which devices are used",
  DiagnosticReport: "reports",
  DocumentReference: "documents",
  Flag: "alarms",
  Goal: "aims, such as the dry weight",
  MedicationRequest: "medicines",
  Observation: "measured values",
  Patient: "name and address",
  Procedure: "treatments",
  Provenance: "who wrote what",
  QuestionnaireResponse: "answered questions",
  RelatedPerson: "people close by",
  ServiceRequest: "orders and limits",
  Subscription: "standing notifications",
  Task: "who was called and what they answered",
};

const INTERACTIONS: Readonly<Record<string, string>> = {
  read: "looked at",
  vread: "looked at an earlier version of",
  search: "looked for",
  "search-type": "looked for",
  history: "looked at the history of",
  "history-instance": "looked at the history of",
  "history-type": "looked at the history of",
  create: "wrote",
  update: "changed",
  patch: "changed",
  delete: "removed",
};

const OWN: Readonly<Record<string, string>> = {
  "break-glass": "opened or closed the record in an emergency",
  invited: "invited somebody, or took an invitation back",
  "invitation-accepted": "accepted an invitation",
  "access-changed": "changed who belongs to the patient",
  "patient-shredded": "destroyed the record",
  "key-rotated": "renewed the key of the record",
  launch: "opened an app with the record",
  authorized: "let an app in",
  "token-issued": "got access for an app",
  ingest: "sent readings of a device",
  "message-shown": "was shown a message as it came in",
  disclosed: "was told of it",
  expired: "removed old entries of this list",
};

/** One event; undefined where it has no time. */
export function lookOf(event: AuditEvent): Look | undefined {
  const time = timeOf(event.recorded);
  if (time === undefined) return undefined;
  const isDisclosure = event.subtype?.some((one) => one.code === "disclose") ?? false;
  // Of a disclosure it is the one who was told that matters: the agent that stands beside the server.
  const agent = isDisclosure ? event.agent[1] : event.agent.find((one) => one.requestor);
  const who = localReference(agent?.who?.reference);
  return {
    id: event.id ?? "",
    time,
    first: time,
    who,
    whoElse: who ? undefined : (agent?.who?.display ?? agent?.who?.identifier?.value ?? agent?.name),
    what: whatOf(event, isDisclosure),
    isEmergency:
      event.purposeOfEvent?.some((one) => one.coding?.some((coding) => coding.code === "BTG")) ?? false,
    isRefused: event.outcome !== undefined && event.outcome !== "0",
    times: 1,
  };
}

function whatOf(event: AuditEvent, isDisclosure: boolean): string {
  if (isDisclosure) return `was told of ${typesOf(event) ?? "something"}`;
  const own = event.subtype?.find((one) => one.system === AUDIT_EVENT)?.code;
  if (own) return OWN[own] ?? own;
  const code = event.subtype?.find((one) => INTERACTIONS[one.code ?? ""])?.code;
  const things = typesOf(event) ?? "something";
  if (code) return `${INTERACTIONS[code]} ${things}`;
  const operation = askedOf(event)?.match(/\$[a-z-]+/)?.[0];
  return operation ? `asked for ${operation.slice(1).replaceAll("-", " ")}` : `used ${things}`;
}

/** What it was about: the resources named, else the type that was asked for. */
function typesOf(event: AuditEvent): string | undefined {
  const named = (event.entity ?? [])
    // The patient stands in every event about them; named twice it was the thing itself.
    .filter((one) => one.role?.code !== "1")
    .flatMap((one) => {
      const reference = one.what?.reference ?? one.what?.identifier?.value;
      return reference?.match(/([A-Z][A-Za-z]+)\//)?.[1] ?? [];
    });
  const asked = askedOf(event)?.match(/(?:^|\/)([A-Z][A-Za-z]+)(?=[?/$]|$)/)?.[1];
  const types = [...new Set(named.length ? named : asked ? [asked] : [])];
  if (types.length === 0) return undefined;
  return types.map((one) => TYPES[one] ?? one).join(", ");
}

/** The request as it came, where the event has it. */
function askedOf(event: AuditEvent): string | undefined {
  const query = event.entity?.find((one) => one.query)?.query;
  if (!query) return undefined;
  try {
    const text = new TextDecoder().decode(Uint8Array.from(atob(query), (one) => one.charCodeAt(0)));
    return decodeURI(text.replace(/^[A-Z]+ /, ""));
  } catch {
    return undefined;
  }
}

const TOGETHER_MS = 30 * 60_000;

/** The events, the newest first, with the same thing done again and again within half an hour as one. */
export function looksOf(events: readonly AuditEvent[]): Look[] {
  const looks = events.flatMap((one) => lookOf(one) ?? []).sort((a, b) => b.time - a.time);
  const found: Look[] = [];
  const open = new Map<string, number>();
  for (const look of looks) {
    const key = [look.who ?? look.whoElse, look.what, look.isEmergency, look.isRefused].join("|");
    const index = open.get(key);
    const before = index === undefined ? undefined : found[index];
    if (index !== undefined && before && before.first - look.time <= TOGETHER_MS)
      found[index] = { ...before, times: before.times + 1, first: look.time };
    else {
      open.set(key, found.length);
      found.push(look);
    }
  }
  return found;
}
