// Why an alert rang, as `Flag/[id]/$why` tells it, in sentences. Pure.

import { parametersOf, referenceOf, stringOf, timeOf, valueOf } from "../fhir/read";
import type { Coding, Parameters, ParametersParameter, Quantity } from "../fhir/types";

export interface Fact {
  readonly label: string;
  readonly value: string;
}

export interface Step {
  readonly time: number;
  readonly text: string;
  readonly by: string | undefined;
}

export interface Told {
  readonly who: string | undefined;
  readonly times: number;
  readonly place: string | undefined;
}

export interface Why {
  readonly facts: readonly Fact[];
  readonly steps: readonly Step[];
  readonly told: readonly Told[];
  /** Ids of the Flags of the same incident, this one's not among them. */
  readonly incident: readonly string[];
}

const STEP_WORDS: Readonly<Record<string, string>> = {
  raised: "The alert began",
  notify: "People were called",
  deliver: "A message arrived at a telephone",
  escalate: "The next people were called",
  acknowledge: "Somebody has seen it",
  accept: "Somebody is coming",
  arrive: "Somebody is at the patient",
  "ring-again": "It rang again: is somebody still there?",
  "condition-ended": "What caused it is over",
  "condition-began": "What caused it began again",
  suppressed: "Rang already: recorded, nobody called again",
  exhausted: "Everybody was called and nobody came",
  close: "It was closed",
};
const NOT_TOLD = new Set(["ignored"]);
const BY_SERVER = "Device/fhirserver";

/** What an answer of `$why` says. */
export function whyOf(answer: Parameters): Why {
  const rule = parametersOf(answer, "rule")[0]?.part;
  const seen = parametersOf(answer, "seen")[0]?.part;
  return {
    facts: [...ruleFacts(rule), ...seenFacts(seen)],
    steps: parametersOf(answer, "happened").flatMap((one) => stepOf(one.part) ?? []),
    told: parametersOf(answer, "person").map((one) => ({
      who: referenceOf(one.part, "who"),
      times: Number(stringOf(one.part, "times-told") ?? 0),
      place: stringOf(one.part, "why"),
    })),
    incident: parametersOf(answer, "incident").flatMap(
      (one) => referenceOf(one.part, "flag")?.replace("Flag/", "") ?? [],
    ),
  };
}

function ruleFacts(rule: ParametersParameter[] | undefined): Fact[] {
  return [
    fact("Judged by", stringOf(rule, "by")),
    fact("Rule", stringOf(rule, "id")),
    fact("Version of the rule", stringOf(rule, "version") ?? stringOf(rule, "source")),
  ].flatMap((one) => one ?? []);
}

function seenFacts(seen: ParametersParameter[] | undefined): Fact[] {
  const time = timeOf(stringOf(seen, "effective"));
  return [
    fact("Because", stringOf(seen, "reason")),
    fact("Value", quantityText(valueOf(seen, "value"))),
    fact("Limit", quantityText(valueOf(seen, "limit"))),
    fact("Measured", time === undefined ? undefined : new Date(time).toISOString()),
    fact("Parameter", codingText(valueOf(seen, "parameter"))),
  ].flatMap((one) => one ?? []);
}

function stepOf(part: ParametersParameter[] | undefined): Step | undefined {
  const time = timeOf(stringOf(part, "at"));
  const what = stringOf(part, "what") ?? "";
  if (time === undefined || NOT_TOLD.has(what)) return undefined;
  const by = referenceOf(part, "by");
  return {
    time,
    text: STEP_WORDS[what] ?? what.replaceAll("-", " "),
    by: by === BY_SERVER ? undefined : by,
  };
}

function fact(label: string, value: string | undefined): Fact | undefined {
  return value ? { label, value } : undefined;
}

function quantityText(value: unknown): string | undefined {
  if (typeof value === "number" || typeof value === "string") return String(value);
  const { value: number, unit } = (value ?? {}) as Quantity;
  return number === undefined ? undefined : `${number} ${unit ?? ""}`.trim();
}

function codingText(value: unknown): string | undefined {
  if (typeof value === "string") return value;
  const { display, code } = (value ?? {}) as Coding;
  return display ?? code;
}
