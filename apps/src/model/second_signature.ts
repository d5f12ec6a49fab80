// A limit beyond a safety floor: a draft that two different clinicians sign before it is in force. Pure.

import { localReference } from "../fhir/read";
import type { Provenance, ServiceRequest } from "../fhir/types";

const SIGNATURE_TYPE = "urn:iso-astm:E1762-95:2013";
const AUTHOR = { system: SIGNATURE_TYPE, code: "1.2.840.10065.1.12.1.1", display: "Author's Signature" };
const VERIFIER = {
  system: SIGNATURE_TYPE,
  code: "1.2.840.10065.1.12.1.5",
  display: "Verification Signature",
};

/** Who signs first: whoever's word the draft is. */
export function firstSigner(draft: ServiceRequest): string | undefined {
  const who = localReference(draft.requester?.reference);
  return who && isClinician(who) ? who : undefined;
}

/** Why this person cannot sign second; undefined where they can. */
export function signingProblem(draft: ServiceRequest, person: string): string | undefined {
  const first = firstSigner(draft);
  if (!isClinician(person)) return "Only nurses and doctors sign limits.";
  if (!first) return "Nobody has signed this draft first: save it again.";
  if (first === person) return "You wrote this draft: somebody else has to sign it as well.";
  return undefined;
}

/** The signatures of both under the version of the draft that was looked at. */
export function signatures(draft: ServiceRequest, second: string, now: number): Provenance {
  const time = new Date(now).toISOString();
  const first = firstSigner(draft) ?? "";
  const written = draft.meta?.lastUpdated ?? time;
  return {
    resourceType: "Provenance",
    target: [{ reference: `ServiceRequest/${draft.id}/_history/${draft.meta?.versionId}` }],
    recorded: time,
    reason: [{ text: "A limit beyond a safety floor, signed by two" }],
    agent: [first, second].map((reference) => ({ who: { reference } })),
    signature: [
      { type: [AUTHOR], when: written, who: { reference: first } },
      { type: [VERIFIER], when: time, who: { reference: second } },
    ],
  };
}

/** The draft of a change: a new order that takes the place of the one in force, once it is signed. */
export function draftOf(order: ServiceRequest): ServiceRequest {
  const { id, meta: _, ...rest } = order;
  const replaces = id ? { replaces: [{ reference: `ServiceRequest/${id}` }] } : {};
  return { ...rest, ...replaces, status: "draft" };
}

function isClinician(reference: string): boolean {
  return /^Practitioner(Role)?\//.test(reference);
}
