// Who may invite whom into the care of a patient, and the invitations there are. Pure.

import { parametersOf, referenceOf, stringOf, timeOf } from "../fhir/read";
import type { Parameters } from "../fhir/types";
import type { Role } from "../smart/person";

export type Offer = "care-partner" | "guardian" | "peer" | "practitioner" | "technician" | "team-owner";

export const OFFER_WORDS: Readonly<Record<Offer, string>> = {
  "care-partner": "Care partner: family or a friend who comes when there is an alarm",
  guardian: "Guardian: speaks for a patient who is a minor and sees the whole record",
  peer: "Another patient: you see each other’s alarms and who is called, and no values",
  practitioner: "Nurse or doctor: sees and writes the record",
  technician: "Technician: looks after the machine, sees no health data",
  "team-owner": "Owner of the team: a nurse or doctor who also says who belongs to it",
};

/** What an inviter is to the team: decides what they may offer. The server decides it again. */
export type Standing = "owner" | "patient" | "family" | "clinic";

const MAY_INVITE: Readonly<Record<Standing, readonly Offer[]>> = {
  owner: ["care-partner", "practitioner", "technician", "team-owner"],
  patient: ["care-partner", "peer"],
  // A guardian of a minor; for other family the server says no.
  family: ["care-partner"],
  // Administrators of the clinic; for everybody else at it the server says no.
  clinic: ["care-partner", "guardian", "practitioner", "technician", "team-owner"],
};

export function standingOf(role: Role, isOwner: boolean): Standing {
  if (role === "self") return "patient";
  if (role === "family") return "family";
  return isOwner ? "owner" : "clinic";
}

export function offersOf(standing: Standing): readonly Offer[] {
  return MAY_INVITE[standing];
}

/** Said before somebody tries; undefined where nothing stands against it. */
export function inviteNotice(standing: Standing): string | undefined {
  if (standing === "family") return "Only a guardian of a minor may invite somebody here.";
  if (standing === "clinic")
    return "You are not an owner of this team: only administrators of the clinic may invite somebody.";
  return undefined;
}

export type InvitationState = "open" | "used" | "withdrawn" | "over";

export interface Invitation {
  readonly id: string;
  readonly as: string;
  readonly created: number | undefined;
  readonly expires: number | undefined;
  /** Who it was that accepted, as `Type/id`. */
  readonly became: string | undefined;
  readonly state: InvitationState;
}

/** The invitations into the care of `patient` (`Patient/id`), the newest first. */
export function invitationsOf(answer: Parameters, patient: string, now: number): Invitation[] {
  return parametersOf(answer, "invitation")
    .filter(({ part }) => referenceOf(part, "patient") === patient)
    .map(({ part }) => {
      const expires = timeOf(stringOf(part, "expires"));
      const isOver = expires !== undefined && expires <= now;
      const state: InvitationState = stringOf(part, "accepted")
        ? "used"
        : stringOf(part, "withdrawn")
          ? "withdrawn"
          : isOver
            ? "over"
            : "open";
      return {
        id: stringOf(part, "id") ?? "",
        as: stringOf(part, "as") ?? "",
        created: timeOf(stringOf(part, "created")),
        expires,
        became: referenceOf(part, "became"),
        state,
      };
    })
    .sort((a, b) => (b.created ?? 0) - (a.created ?? 0));
}

/** The link by which an invitation is taken up. The token stands behind `#`: browsers send that to nobody. */
export function joinLink(base: string, token: string): string {
  const page = new URL("../auth/join", `${base.replace(/\/$/, "")}/`).href;
  return `${page}#${encodeURIComponent(token)}`;
}
