// Who is called when, as a CareTeam says it, and the steps that change it. Pure.

import { extensionOf, hasCode, localReference } from "../fhir/read";
import type { PatchStep } from "../fhir/server";
import { EXTENSION, TEAM_CATEGORY } from "../fhir/systems";
import type { CareTeam, CareTeamParticipant, Extension } from "../fhir/types";
import type { Standing } from "./invitations";

export type Channel = "sms" | "voice" | "none";

export interface QuietHours {
  /** `22:00`, by the clocks of `zone`. */
  readonly start: string;
  readonly end: string;
  readonly zone: string;
}

/** How somebody is called. Without channels every way counts. */
export interface Calling {
  readonly tier: number | undefined;
  readonly order: number | undefined;
  readonly channels: readonly Channel[];
  readonly quiet: readonly QuietHours[];
}

export interface Member extends Calling {
  /** Place in the team's list. */
  readonly index: number;
  /** `Type/id`. */
  readonly reference: string;
  readonly display: string | undefined;
  readonly role: string | undefined;
  readonly isOwner: boolean;
  /** Another team: whoever is on duty there. */
  readonly isTeam: boolean;
  readonly until: string | undefined;
}

/** Members in the order in which they are called; who is on no tier stands last. */
export function membersOf(team: CareTeam): Member[] {
  const members = (team.participant ?? []).flatMap((one, index) => {
    const reference = localReference(one.member?.reference);
    return reference ? [memberOf(one, index, reference)] : [];
  });
  const place = (one: Member) => (one.tier ?? 1000) * 1000 + (one.order ?? 1);
  return members.sort((a, b) => place(a) - place(b) || a.index - b.index);
}

function memberOf(one: CareTeamParticipant, index: number, reference: string): Member {
  const all = (url: string) => one.extension?.filter((extension) => extension.url === url) ?? [];
  const role = one.role?.[0];
  return {
    index,
    reference,
    display: one.member?.display,
    role: role?.text ?? role?.coding?.[0]?.display ?? role?.coding?.[0]?.code,
    isOwner: extensionOf(one, EXTENSION.teamOwner)?.valueBoolean === true,
    isTeam: reference.startsWith("CareTeam/"),
    until: one.period?.end,
    tier: extensionOf(one, EXTENSION.tier)?.valuePositiveInt,
    order: extensionOf(one, EXTENSION.order)?.valuePositiveInt,
    channels: all(EXTENSION.channel).flatMap((extension) => {
      const code = extension.valueCode;
      return code === "sms" || code === "voice" || code === "none" ? [code] : [];
    }),
    quiet: all(EXTENSION.quietHours).map(quietOf),
  };
}

function quietOf(extension: Extension): QuietHours {
  const time = (url: string) => extensionOf(extension, url)?.valueTime?.slice(0, 5) ?? "";
  return { start: time("start"), end: time("end"), zone: extensionOf(extension, "zone")?.valueCode ?? "" };
}

const CALLING: ReadonlySet<string> = new Set([
  EXTENSION.tier,
  EXTENSION.order,
  EXTENSION.channel,
  EXTENSION.quietHours,
]);

/** The participant with another way of being called; everything else stays as it was. */
export function called(participant: CareTeamParticipant, calling: Calling): CareTeamParticipant {
  const kept = participant.extension?.filter((one) => !CALLING.has(one.url)) ?? [];
  const extension: Extension[] = [
    ...kept,
    ...(calling.tier === undefined ? [] : [{ url: EXTENSION.tier, valuePositiveInt: calling.tier }]),
    ...(calling.tier === undefined || calling.order === undefined
      ? []
      : [{ url: EXTENSION.order, valuePositiveInt: calling.order }]),
    ...calling.channels.map((valueCode) => ({ url: EXTENSION.channel, valueCode })),
    ...calling.quiet.map(({ start, end, zone }) => ({
      url: EXTENSION.quietHours,
      extension: [
        { url: "start", valueTime: `${start}:00` },
        { url: "end", valueTime: `${end}:00` },
        { url: "zone", valueCode: zone },
      ],
    })),
  ];
  const { extension: _, ...rest } = participant;
  return extension.length ? { extension, ...rest } : rest;
}

/** The patch that changes how `reference` is called; undefined where they are no member (any more). */
export function callingSteps(
  team: CareTeam,
  reference: string,
  calling: Calling,
): readonly PatchStep[] | undefined {
  const index = (team.participant ?? []).findIndex(
    (one) => localReference(one.member?.reference) === reference,
  );
  const participant = team.participant?.[index];
  if (!participant) return undefined;
  const path = `/participant/${index}`;
  return [
    { op: "test", path: `${path}/member/reference`, value: participant.member?.reference },
    { op: "replace", path, value: called(participant, calling) },
  ];
}

/** The patch that lets `reference` be called on `tier`, by default after everybody near. */
export function joiningSteps(team: CareTeam, reference: string, tier: number): readonly PatchStep[] {
  const participant = called({ member: { reference } }, { tier, order: undefined, channels: [], quiet: [] });
  return team.participant
    ? [{ op: "add", path: "/participant/-", value: participant }]
    : [{ op: "add", path: "/participant", value: [participant] }];
}

/** What stands against a way of being called, by field; empty where nothing does. */
export function callingProblems(calling: Calling): Partial<Record<"tier" | "order" | "quiet", string>> {
  const problems: Partial<Record<"tier" | "order" | "quiet", string>> = {};
  const isPlace = (value: number) => Number.isInteger(value) && value >= 1 && value <= 99;
  if (calling.tier !== undefined && !isPlace(calling.tier))
    problems.tier = "A step is a whole number from 1.";
  if (calling.order !== undefined && !isPlace(calling.order))
    problems.order = "A place is a whole number from 1.";
  for (const { start, end, zone } of calling.quiet) {
    if (!/^\d\d:\d\d$/.test(start) || !/^\d\d:\d\d$/.test(end))
      problems.quiet = "Quiet hours need a beginning and an end.";
    else if (!isZone(zone)) problems.quiet = "Name a time zone, such as Europe/Berlin.";
  }
  return problems;
}

export function isZone(zone: string): boolean {
  if (!zone.includes("/") && zone !== "UTC") return false;
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

export function isOnCallTeam(team: CareTeam): boolean {
  return team.category?.some((one) => hasCode(one, "on-call", TEAM_CATEGORY)) ?? false;
}

/** How somebody is told, in plain words. */
export function channelWords(channels: readonly Channel[]): string {
  if (channels.includes("none")) return "never by telephone";
  if (channels.length === 1) return channels[0] === "sms" ? "by text only" : "by call only";
  return "by text and call";
}

/** When somebody is told, in plain words. The seconds are the server's usual ones. */
export function tierWords(tier: number | undefined): string {
  if (tier === undefined) return "Is not called";
  if (tier === 1) return "Step 1: told at once";
  return `Step ${tier}: told when nobody before has come`;
}

export function quietWords({ start, end, zone }: QuietHours): string {
  const span = start === end ? "all day" : `${start} to ${end}`;
  return `${span} (${zone}): not called for what can wait; a high alarm calls all the same`;
}

/** Whether `person` (`Type/id`) owns the team, and so says who belongs to it. */
export function isOwnedBy(team: CareTeam, person: string): boolean {
  return membersOf(team).some((one) => one.isOwner && one.reference === person);
}

/** Owners part with anybody, a patient with family and other patients, everybody with themselves; the server decides. */
export function mayRemove(member: Member, standing: Standing, self: string): boolean {
  if (member.reference === self || standing === "owner" || standing === "clinic") return true;
  return standing === "patient" && /^(RelatedPerson|Patient)\//.test(member.reference);
}
