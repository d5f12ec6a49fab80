// A patient's own limits: the monitoring rules of a ServiceRequest, read, made and changed. Pure.
// How limits of several orders combine is the server's business (`$monitoring-rules`), and so is what needs a signature.

import { extensionOf } from "../fhir/read";
import { QUANTITIES, quantityByCode, quantityOf } from "../fhir/quantities";
import { EXTENSION, UCUM } from "../fhir/systems";
import type { Extension, Quantity, ServiceRequest } from "../fhir/types";

export type RulePriority = "PH" | "PM" | "PL";

/** One limit as a person sets it. What a form does not show of a rule stays as it was. */
export interface RuleDraft {
  /** Stable name within the order. */
  readonly id: string;
  /** Key of the quantity. */
  readonly quantity: string;
  readonly low: number | undefined;
  readonly high: number | undefined;
  readonly priority: RulePriority;
  /** How long a breach must last, in s. */
  readonly sustained: number | undefined;
  readonly hysteresis: number | undefined;
}

export interface Rule extends Omit<RuleDraft, "quantity"> {
  /** Undefined for a quantity the app does not know. */
  readonly quantity: string | undefined;
  readonly label: string;
  /** It watches more than a limit (changes, intervals, floors ...), which this app shows and does not edit. */
  readonly hasMore: boolean;
}

/** What can be given a limit here. */
export const LIMITED = QUANTITIES.filter((one) =>
  [
    "systolic",
    "diastolic",
    "mean",
    "heart-rate",
    "oxygen",
    "venous",
    "arterial",
    "transmembrane",
    "removal-rate",
  ].includes(one.key),
);

const UCUM_CODE: Readonly<Record<string, string>> = { mmHg: "mm[Hg]", "°C": "Cel" };
const UNIT_S: Readonly<Record<string, number>> = { s: 1, min: 60, h: 3600 };
const EDITED: ReadonlySet<string> = new Set(["limit", "priority", "sustained-for", "hysteresis"]);
const PLAIN: ReadonlySet<string> = new Set([...EDITED, "id", "parameter", "confirm-by-reread"]);

export function isMonitoringOrder(order: ServiceRequest): boolean {
  return order.extension?.some((one) => one.url === EXTENSION.rule) ?? false;
}

export function rulesIn(order: ServiceRequest): Rule[] {
  return (order.extension ?? []).filter((one) => one.url === EXTENSION.rule).map(ruleOf);
}

function ruleOf(extension: Extension): Rule {
  const part = (url: string) => extensionOf(extension, url);
  const parameter = part("parameter")?.valueCodeableConcept;
  const quantity = parameter?.coding
    ?.map((one) => quantityByCode(`${one.system}|${one.code}`))
    .find((one) => one !== undefined);
  const range = part("limit")?.valueRange;
  const sustained = part("sustained-for")?.valueDuration;
  const factor = UNIT_S[sustained?.code ?? ""];
  const priority = part("priority")?.valueCode;
  return {
    id: part("id")?.valueId ?? "",
    quantity: quantity?.key,
    label: quantity?.label ?? parameter?.text ?? parameter?.coding?.[0]?.code ?? "Something unknown",
    low: range?.low?.value,
    high: range?.high?.value,
    priority: priority === "PH" || priority === "PL" ? priority : "PM",
    sustained: sustained?.value !== undefined && factor ? sustained.value * factor : undefined,
    hysteresis: part("hysteresis")?.valueQuantity?.value,
    hasMore: extension.extension?.some((one) => !PLAIN.has(one.url)) ?? false,
  };
}

/** The rule as an extension; `before` is what it changes, whose other parts stay. */
export function ruleExtension(draft: RuleDraft, before: Extension | undefined): Extension {
  const quantity = quantityOf(draft.quantity);
  const amount = (value: number): Quantity => ({
    value,
    unit: quantity.unit,
    system: UCUM,
    code: UCUM_CODE[quantity.unit] ?? quantity.unit,
  });
  const [system, code] = quantity.codes[0]!.split("|") as [string, string];
  const kept = before
    ? (before.extension ?? []).filter((one) => !EDITED.has(one.url))
    : [
        { url: "id", valueId: draft.id },
        {
          url: "parameter",
          valueCodeableConcept: { coding: [{ system, code }], text: quantity.label },
        },
      ];
  return {
    url: EXTENSION.rule,
    extension: [
      ...kept,
      ...(draft.low === undefined && draft.high === undefined
        ? []
        : [
            {
              url: "limit",
              valueRange: {
                ...(draft.low === undefined ? {} : { low: amount(draft.low) }),
                ...(draft.high === undefined ? {} : { high: amount(draft.high) }),
              },
            },
          ]),
      { url: "priority", valueCode: draft.priority },
      ...(draft.sustained === undefined
        ? []
        : [
            {
              url: "sustained-for",
              valueDuration: { value: draft.sustained, unit: "s", system: UCUM, code: "s" },
            },
          ]),
      ...(draft.hysteresis === undefined
        ? []
        : [{ url: "hysteresis", valueQuantity: amount(draft.hysteresis) }]),
    ],
  };
}

/** A new order of `requester` (a Practitioner or PractitionerRole) about `patient` without rules yet. */
export function newOrder(patient: string, requester: string, now: number): ServiceRequest {
  return {
    resourceType: "ServiceRequest",
    status: "active",
    intent: "order",
    category: [{ text: "Telemonitoring" }],
    code: { text: "Monitoring limits for home dialysis" },
    subject: { reference: patient },
    authoredOn: new Date(now).toISOString(),
    requester: { reference: requester },
  };
}

/** The order with the rule of `draft` in it, in the place of the one with its id, on the word of `requester`. */
export function withRule(order: ServiceRequest, draft: RuleDraft, requester: string): ServiceRequest {
  const extension = [...(order.extension ?? [])];
  const index = extension.findIndex((one) => isRule(one, draft.id));
  const changed = ruleExtension(draft, extension[index]);
  if (index < 0) extension.push(changed);
  else extension[index] = changed;
  return { ...order, extension, requester: { reference: requester } };
}

/** The order without the rule `id`; one that has no rule left is revoked, and keeps what it said. */
export function withoutRule(order: ServiceRequest, id: string, requester: string): ServiceRequest {
  const by = { requester: { reference: requester } };
  const extension = (order.extension ?? []).filter((one) => !isRule(one, id));
  if (!extension.some((one) => one.url === EXTENSION.rule)) return { ...order, ...by, status: "revoked" };
  return { ...order, ...by, extension };
}

function isRule(extension: Extension, id: string): boolean {
  return extension.url === EXTENSION.rule && extensionOf(extension, "id")?.valueId === id;
}

/** A name for a new rule that the order does not have yet. */
export function freeId(order: ServiceRequest | undefined, quantity: string): string {
  const taken = new Set(order ? rulesIn(order).map((one) => one.id) : []);
  for (let number = 1; ; number += 1) {
    const id = number === 1 ? `own-${quantity}` : `own-${quantity}-${number}`;
    if (!taken.has(id)) return id;
  }
}

export type RuleProblems = Partial<Record<"low" | "high" | "sustained" | "hysteresis", string>>;

/** What stands against a draft, by field. */
export function ruleProblems(draft: RuleDraft): RuleProblems {
  const problems: RuleProblems = {};
  const { low, high, sustained, hysteresis } = draft;
  if (low !== undefined && !Number.isFinite(low)) problems.low = "This is no number.";
  if (high !== undefined && !Number.isFinite(high)) problems.high = "This is no number.";
  if (low === undefined && high === undefined) problems.low = "Set a low limit, a high limit or both.";
  else if (low !== undefined && high !== undefined && low >= high)
    problems.high = "The high limit must lie above the low one.";
  if (sustained !== undefined && !(sustained >= 0 && sustained <= 3600))
    problems.sustained = "Between 0 and 3600 seconds.";
  if (hysteresis !== undefined && !(hysteresis >= 0)) problems.hysteresis = "A number from 0.";
  return problems;
}

/** A number as somebody typed it, with a point or a comma; undefined where nothing is typed, NaN for what is none. */
export function typedNumber(text: string): number | undefined {
  const trimmed = text.trim().replace(",", ".");
  return trimmed === "" ? undefined : Number(trimmed);
}

export const PRIORITY_NAMES: Readonly<Record<RulePriority, string>> = {
  PH: "Go now (high)",
  PM: "Check (medium)",
  PL: "For the list only (low)",
};

/** A rule in one line: `below 100 or above 180 mmHg, for 10 s: go now (high)`. */
export function ruleWords(rule: Rule): string {
  const unit = rule.quantity ? ` ${quantityOf(rule.quantity).unit}` : "";
  const sides = [
    rule.low === undefined ? "" : `below ${rule.low}`,
    rule.high === undefined ? "" : `above ${rule.high}`,
  ].filter(Boolean);
  const limit = sides.length ? `${sides.join(" or ")}${unit}` : "";
  const lasting = rule.sustained ? `for ${rule.sustained} s` : "";
  const more = rule.hasMore ? "and more that this app does not change" : "";
  return `${[limit, lasting, more].filter(Boolean).join(", ")}: ${PRIORITY_NAMES[rule.priority].toLowerCase()}`;
}

/** Whether an order is in force by what it says itself. */
export function isInForce(order: ServiceRequest): boolean {
  return order.status === "active" && order.intent === "order";
}
