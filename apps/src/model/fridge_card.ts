// The fridge card: how to get in and what to know at the door, as a DocumentReference with two plain texts. Pure.

import { hasCode } from "../fhir/read";
import { DOCUMENT_TYPE } from "../fhir/systems";
import type { Attachment, DocumentReference, Patient } from "../fhir/types";

export interface FridgeCard {
  /** How to get in. */
  readonly access: string;
  readonly notes: string;
}

/** More than this nobody listens to on the telephone; the server speaks no more of it. [P] */
export const LONGEST = 500;

export function isFridgeCard(document: DocumentReference): boolean {
  return hasCode(document.type, "fridge-card", DOCUMENT_TYPE) && document.status === "current";
}

export function cardOf(document: DocumentReference | undefined): FridgeCard {
  const text = (title: string) =>
    (document?.content ?? [])
      .map((one) => one.attachment)
      .filter((one) => (one.title ?? "notes").toLowerCase() === title)
      .map(textIn)
      .filter(Boolean)
      .join(" ");
  return { access: text("access"), notes: text("notes") };
}

function textIn(attachment: Attachment): string {
  if (!attachment.contentType?.startsWith("text/plain") || !attachment.data) return "";
  try {
    return new TextDecoder().decode(Uint8Array.from(atob(attachment.data), (one) => one.charCodeAt(0)));
  } catch {
    return "";
  }
}

/** The document that says `card`, in the place of `before` where there is one. */
export function cardDocument(
  patient: string,
  author: string,
  card: FridgeCard,
  before: DocumentReference | undefined,
  now: number,
): DocumentReference {
  const parts = (["access", "notes"] as const).filter((title) => card[title].trim());
  return {
    ...(before ?? {
      resourceType: "DocumentReference",
      status: "current",
      type: { coding: [{ system: DOCUMENT_TYPE, code: "fridge-card", display: "Fridge card" }] },
      subject: { reference: patient },
    }),
    date: new Date(now).toISOString(),
    author: [{ reference: author }],
    content: parts.map((title) => ({
      attachment: { title, contentType: "text/plain; charset=utf-8", data: encoded(card[title].trim()) },
    })),
  };
}

function encoded(text: string): string {
  return btoa(String.fromCharCode(...new TextEncoder().encode(text)));
}

export type CardProblems = Partial<Record<"access" | "notes", string>>;

export function cardProblems(card: FridgeCard): CardProblems {
  const problems: CardProblems = {};
  if (!card.access.trim() && !card.notes.trim()) problems.access = "Say how to get in, or leave a note.";
  for (const field of ["access", "notes"] as const)
    if (card[field].trim().length > LONGEST)
      problems[field] = `At most ${LONGEST} characters: it is read out on the telephone.`;
  return problems;
}

/** The address the card is about: the home's, as the record has it. */
export function homeAddress(patient: Patient | undefined): string | undefined {
  const usable = (patient?.address ?? []).filter((one) => one.use !== "old" && one.use !== "billing");
  const address = usable.find((one) => one.use === "home") ?? usable[0];
  if (!address) return undefined;
  const { text, line, postalCode, city, district, state, country } = address;
  return text ?? [...(line ?? []), postalCode, city, district, state, country].filter(Boolean).join(", ");
}
