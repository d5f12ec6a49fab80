// What a patient has said about who may see what: Consents in plain words, and new ones. Pure.
// A Consent takes away what relationships give, and never gives more. The innermost provision decides.

import { hasCode, localReference, timeOf } from "../fhir/read";
import { ACT_CODE, CONSENT_SCOPE, PARTICIPATION, RESOURCE_TYPES } from "../fhir/systems";
import type { Consent, ConsentProvision } from "../fhir/types";

/** One sentence of a Consent: `who` as references or a role, for whoever writes names in. */
export interface Said {
  readonly permits: boolean;
  /** References of whom it is about; empty: everybody. */
  readonly who: readonly string[];
  /** What they may or may not. */
  readonly may: string;
  /** What of the record; empty: all of it. */
  readonly what: readonly string[];
  readonly until: number | undefined;
  /** 0 is the outermost; each level is an exception within the one before. */
  readonly level: number;
}

export const PARTS: readonly {
  readonly key: string;
  readonly label: string;
  readonly types: readonly string[];
}[] = [
  { key: "values", label: "measured values", types: ["Observation"] },
  { key: "diagnoses", label: "diagnoses", types: ["Condition"] },
  { key: "medicines", label: "medicines", types: ["MedicationRequest", "MedicationStatement"] },
  { key: "messages", label: "messages", types: ["Communication"] },
  { key: "questions", label: "answered questions", types: ["QuestionnaireResponse"] },
  { key: "documents", label: "documents", types: ["DocumentReference", "DiagnosticReport"] },
  { key: "treatments", label: "treatments", types: ["Procedure"] },
  { key: "alarms", label: "alarms, and being called (they are called no more)", types: ["Flag", "Task"] },
];

const LOOKING = new Set(["access", "use", "disclose"]);

export function isPrivacy(consent: Consent): boolean {
  return hasCode(consent.scope, "patient-privacy");
}

/** The Consent by which somebody agreed to be called, or ended it: the server keeps it, nobody writes it here. */
export function isMessaging(consent: Consent): boolean {
  const code = consent.policyRule?.coding?.[0]?.code;
  const members = consent.provision?.actor?.map((one) => one.reference.reference) ?? [];
  return (
    (code === "OPTIN" || code === "OPTOUT") &&
    members.length === 1 &&
    members[0] === consent.performer?.[0]?.reference &&
    !consent.provision?.provision
  );
}

/** What a Consent says, the outermost sentence first. */
export function saidIn(consent: Consent): Said[] {
  const found: Said[] = [];
  const walk = (one: ConsentProvision, level: number, outer: readonly string[]) => {
    const who = (one.actor ?? []).flatMap(
      (actor) => localReference(actor.reference.reference) ?? actor.reference.display ?? [],
    );
    found.push({
      permits: (one.type ?? (level === 0 ? "permit" : "deny")) === "permit",
      who: who.length ? who : outer,
      may: actionWords(one),
      what: classWords(one),
      until: timeOf(one.period?.end),
      level,
    });
    for (const inner of one.provision ?? []) walk(inner, level + 1, who.length ? who : outer);
  };
  if (consent.provision) walk(consent.provision, 0, []);
  return found;
}

function actionWords(provision: ConsentProvision): string {
  const codes = (provision.action ?? []).flatMap(
    (one) => one.coding?.flatMap((coding) => coding.code ?? []) ?? [],
  );
  if (codes.length === 0) return "see or change";
  const looks = codes.some((one) => LOOKING.has(one));
  const writes = codes.some((one) => one === "collect" || one === "correct");
  return looks && writes ? "see or change" : writes ? "change" : "see";
}

function classWords(provision: ConsentProvision): string[] {
  const types = (provision.class ?? []).flatMap((one) => one.code ?? []);
  const words = types.map(
    (type) => PARTS.find((one) => one.types.includes(type))?.label.split(",")[0] ?? type,
  );
  return [...new Set(words)];
}

/** A sentence without its subject: `may not see measured values, until 3 May`. */
export function saidWords(said: Said, dateWords: (time: number) => string): string {
  const what = said.what.length ? said.what.join(", ") : "anything in the record";
  const until = said.until === undefined ? "" : `, until ${dateWords(said.until)}`;
  return `may ${said.permits ? "" : "not "}${said.may} ${said.permits && !said.what.length ? "what their role allows" : what}${until}`;
}

export interface ConsentDraft {
  /** `Type/id` of whom it is about. */
  readonly who: string;
  /** Keys of PARTS; empty: everything. */
  readonly parts: readonly string[];
  /** A day such as `2026-05-03`, "" for no end. */
  readonly until: string;
}

/** A Consent that denies somebody to see or change parts of the record. */
export function denialOf(patient: string, draft: ConsentDraft, now: number): Consent {
  const types = draft.parts.flatMap((key) => PARTS.find((one) => one.key === key)?.types ?? []);
  return {
    resourceType: "Consent",
    status: "active",
    scope: { coding: [{ system: CONSENT_SCOPE, code: "patient-privacy" }] },
    category: [{ coding: [{ system: "http://loinc.org", code: "59284-0" }] }],
    policyRule: { coding: [{ system: ACT_CODE, code: "OPTIN" }] },
    patient: { reference: patient },
    dateTime: new Date(now).toISOString(),
    performer: [{ reference: patient }],
    provision: {
      type: "permit",
      provision: [
        {
          type: "deny",
          actor: [
            {
              role: { coding: [{ system: PARTICIPATION, code: "IRCP" }] },
              reference: { reference: draft.who },
            },
          ],
          ...(types.length ? { class: types.map((code) => ({ system: RESOURCE_TYPES, code })) } : {}),
          ...(draft.until ? { period: { end: draft.until } } : {}),
        },
      ],
    },
  };
}

/** Those that say something about the record, in force first, the newest first. */
export function sortedConsents(consents: readonly Consent[]): Consent[] {
  const place = (one: Consent) => (one.status === "active" ? 0 : 1);
  return [...consents].sort(
    (a, b) => place(a) - place(b) || (timeOf(b.dateTime) ?? 0) - (timeOf(a.dateTime) ?? 0),
  );
}
