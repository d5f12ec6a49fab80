// Who changed a patient's own limits, when, and what: versions of an order beside the Provenances of them. Pure.

import { localReference, timeOf } from "../fhir/read";
import type { Provenance, ServiceRequest } from "../fhir/types";
import { rulesIn, ruleWords } from "./monitoring_order";

export interface RuleChange {
  /** `ServiceRequest/x/_history/3`. */
  readonly version: string;
  readonly time: number | undefined;
  /** On whose word it stands, as `Type/id`. */
  readonly who: string | undefined;
  /** Who signed it, where somebody did. */
  readonly signed: readonly string[];
  /** What changed, a sentence each. */
  readonly what: readonly string[];
}

const STATUS_WORDS: Readonly<Record<string, string>> = {
  draft: "The order is a draft: it is not in force",
  active: "The order is in force",
  "on-hold": "The order is paused: it is not in force",
  revoked: "The order is revoked: the default limits hold",
  completed: "The order is over: the default limits hold",
  "entered-in-error": "The order was a mistake: it counts no more",
};

/** The changes of one order, the newest first. `versions` in any order; Provenances may be about others too. */
export function changesOf(
  versions: readonly ServiceRequest[],
  provenances: readonly Provenance[],
): RuleChange[] {
  const sorted = [...versions].sort((a, b) => number(a) - number(b));
  const changes = sorted.map((version, index) => {
    const name = `ServiceRequest/${version.id}/_history/${version.meta?.versionId}`;
    const about = provenances.filter((one) => targets(one, version, name));
    return {
      version: name,
      time: timeOf(version.meta?.lastUpdated),
      who: localReference(version.requester?.reference),
      signed: [
        ...new Set(
          about.flatMap((one) =>
            (one.signature ?? []).flatMap((sign) => localReference(sign.who.reference) ?? []),
          ),
        ),
      ],
      what: differences(sorted[index - 1], version),
    };
  });
  return changes.filter((one) => one.what.length > 0 || one.signed.length > 0).reverse();
}

function number(order: ServiceRequest): number {
  return Number(order.meta?.versionId ?? 0);
}

function targets(provenance: Provenance, version: ServiceRequest, name: string): boolean {
  return provenance.target.some(({ reference }) => {
    const text = reference ?? "";
    return (
      text.endsWith(name) || (text.endsWith(`ServiceRequest/${version.id}`) && version.status === "draft")
    );
  });
}

function differences(before: ServiceRequest | undefined, after: ServiceRequest): string[] {
  const found: string[] = [];
  if (before?.status !== after.status) found.push(`${STATUS_WORDS[after.status] ?? after.status}.`);
  const old = new Map(before ? rulesIn(before).map((one) => [one.id, one] as const) : []);
  for (const rule of rulesIn(after)) {
    const was = old.get(rule.id);
    old.delete(rule.id);
    if (!was) found.push(`New: ${rule.label} ${ruleWords(rule)}.`);
    else if (ruleWords(was) !== ruleWords(rule))
      found.push(`${rule.label}: was ${ruleWords(was)}; is ${ruleWords(rule)}.`);
    else if (JSON.stringify(was) !== JSON.stringify(rule)) found.push(`${rule.label}: a detail changed.`);
  }
  for (const rule of old.values()) found.push(`Taken away: ${rule.label} ${ruleWords(rule)}.`);
  return found;
}
