// Who is on duty and when, as an on-call CareTeam says it: turns by the clocks on the wall of a zone. Pure.

import { extensionOf, localReference, timeOf } from "../fhir/read";
import type { PatchStep } from "../fhir/server";
import { EXTENSION } from "../fhir/systems";
import type { CareTeam, Extension } from "../fhir/types";

export interface Rotation {
  /** The day it begins, `2026-08-03`. */
  readonly start: string;
  /** When a shift is handed over, `19:00`, by the clocks of `zone`. */
  readonly handover: string;
  readonly zone: string;
  /** Length of a shift in wall-clock hours. */
  readonly hours: number;
  readonly members: readonly string[];
}

export interface Override {
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly member: string;
  readonly insteadOf: string | undefined;
}

export interface Schedule {
  readonly rotations: readonly Rotation[];
  readonly overrides: readonly Override[];
}

const HOUR = 3_600_000;
const UNIT_HOURS: Readonly<Record<string, number>> = { h: 1, d: 24, wk: 168 };

/** The schedule of a team; undefined where it has none: then everybody in it is on duty. */
export function scheduleOf(team: CareTeam): Schedule | undefined {
  const parts = (team.extension ?? [])
    .filter((one) => one.url === EXTENSION.onCall)
    .flatMap((one) => one.extension ?? []);
  const rotations = parts.filter((one) => one.url === "rotation").flatMap(rotationOf);
  if (rotations.length === 0) return undefined;
  return { rotations, overrides: parts.filter((one) => one.url === "override").flatMap(overrideOf) };
}

function rotationOf(part: Extension): Rotation[] {
  const length = extensionOf(part, "length")?.valueDuration;
  const factor = UNIT_HOURS[length?.code ?? ""];
  const start = extensionOf(part, "start")?.valueDate;
  const handover = extensionOf(part, "handover")?.valueTime?.slice(0, 5);
  const zone = extensionOf(part, "zone")?.valueCode;
  const members = referencesIn(part, "member");
  if (!length?.value || !factor || !start || !handover || !zone || members.length === 0) return [];
  return [{ start, handover, zone, hours: length.value * factor, members }];
}

function overrideOf(part: Extension): Override[] {
  const period = extensionOf(part, "period")?.valuePeriod;
  const [member] = referencesIn(part, "member");
  if (!member) return [];
  return [
    {
      start: timeOf(period?.start),
      end: timeOf(period?.end),
      member,
      insteadOf: referencesIn(part, "instead-of")[0],
    },
  ];
}

function referencesIn(part: Extension, url: string): string[] {
  return (part.extension ?? [])
    .filter((one) => one.url === url)
    .flatMap((one) => localReference(one.valueReference?.reference) ?? []);
}

/** Who is on duty at `now`, as `Type/id`, nobody twice. */
export function onDuty(team: CareTeam, now: number): readonly string[] {
  const schedule = scheduleOf(team);
  if (!schedule) {
    const members = (team.participant ?? []).filter((one) => {
      const [start, end] = [timeOf(one.period?.start), timeOf(one.period?.end)];
      return (start === undefined || start <= now) && (end === undefined || now < end);
    });
    return [...new Set(members.flatMap((one) => localReference(one.member?.reference) ?? []))];
  }
  let duty = schedule.rotations.flatMap((one) => turnAt(one, now) ?? []);
  for (const one of schedule.overrides) {
    if ((one.start !== undefined && now < one.start) || (one.end !== undefined && now >= one.end)) continue;
    duty =
      one.insteadOf === undefined
        ? [one.member]
        : duty.map((member) => (member === one.insteadOf ? one.member : member));
  }
  return [...new Set(duty)];
}

function turnAt(rotation: Rotation, now: number): string | undefined {
  const first = Date.parse(`${rotation.start}T${rotation.handover}:00Z`);
  const number = Math.floor((wallClock(now, rotation.zone) - first) / (rotation.hours * HOUR));
  return number < 0 ? undefined : rotation.members[number % rotation.members.length];
}

const clocks = new Map<string, Intl.DateTimeFormat>();

function clockOf(zone: string): Intl.DateTimeFormat {
  let clock = clocks.get(zone);
  if (!clock) {
    clock = new Intl.DateTimeFormat("en-US", {
      timeZone: zone,
      hourCycle: "h23",
      year: "numeric",
      month: "2-digit",
      day: "2-digit",
      hour: "2-digit",
      minute: "2-digit",
      second: "2-digit",
    });
    clocks.set(zone, clock);
  }
  return clock;
}

/** What the clock on the wall of `zone` shows at `now`, as if it were UTC, in ms. */
export function wallClock(now: number, zone: string): number {
  const parts = clockOf(zone).formatToParts(now);
  const part = (type: string) => Number(parts.find((one) => one.type === type)?.value);
  return Date.UTC(part("year"), part("month") - 1, part("day"), part("hour"), part("minute"), part("second"));
}

export interface Duty {
  readonly start: number;
  readonly end: number;
  readonly members: readonly string[];
}

/** Who is on duty from `now` on for `days` days, in stretches; changes are found to the quarter of an hour. */
export function dutiesOf(team: CareTeam, now: number, days = 7): Duty[] {
  const step = HOUR / 4;
  const until = now + days * 24 * HOUR;
  const found: Duty[] = [];
  let since = now;
  let members = onDuty(team, now);
  for (let at = Math.ceil((now + 1) / step) * step; at < until; at += step) {
    const next = onDuty(team, at);
    if (next.join() === members.join()) continue;
    found.push({ start: since, end: at, members });
    [since, members] = [at, next];
  }
  found.push({ start: since, end: until, members });
  return found;
}

/** The patch that puts `override` into the schedule; undefined where the team has none. */
export function overrideSteps(team: CareTeam, override: Override): readonly PatchStep[] | undefined {
  const index = (team.extension ?? []).findIndex((one) => one.url === EXTENSION.onCall);
  if (index < 0 || override.start === undefined || override.end === undefined) return undefined;
  const value: Extension = {
    url: "override",
    extension: [
      {
        url: "period",
        valuePeriod: {
          start: new Date(override.start).toISOString(),
          end: new Date(override.end).toISOString(),
        },
      },
      { url: "member", valueReference: { reference: override.member } },
      ...(override.insteadOf === undefined
        ? []
        : [{ url: "instead-of", valueReference: { reference: override.insteadOf } }]),
    ],
  };
  return [
    { op: "test", path: `/extension/${index}/url`, value: EXTENSION.onCall },
    { op: "add", path: `/extension/${index}/extension/-`, value },
  ];
}

/** Everybody who may come on duty by the schedule or the list of the team. */
export function everybodyOn(team: CareTeam): readonly string[] {
  const schedule = scheduleOf(team);
  const listed = (team.participant ?? []).flatMap((one) => localReference(one.member?.reference) ?? []);
  return [...new Set([...listed, ...(schedule?.rotations.flatMap((one) => one.members) ?? [])])];
}
