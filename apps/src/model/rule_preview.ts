// What an order would have done in the last treatments, as `$preview-rules` tells it. Pure.

import { parametersOf, stringOf, timeOf, valueOf } from "../fhir/read";
import type { Parameters, Period, Quantity } from "../fhir/types";

export interface PreviewAlert {
  readonly at: number | undefined;
  readonly priority: string | undefined;
  readonly display: string;
  readonly value: string | undefined;
  readonly limit: string | undefined;
}

export interface PreviewSession {
  readonly start: number | undefined;
  readonly end: number | undefined;
  readonly values: number;
  readonly fires: number;
  readonly firesToday: number;
  readonly alerts: readonly PreviewAlert[];
}

export interface Preview {
  readonly fires: number;
  readonly firesToday: number;
  readonly leftOut: number;
  readonly sessions: readonly PreviewSession[];
  /** What of the order does not count, such as a limit beyond a safety floor that two people have to sign. */
  readonly ignored: readonly string[];
}

export function previewOf(answer: Parameters): Preview {
  return {
    fires: count(answer.parameter, "fires"),
    firesToday: count(answer.parameter, "fires-today"),
    leftOut: count(answer.parameter, "left-out"),
    ignored: parametersOf(answer, "ignored").flatMap((one) => one.valueString ?? []),
    sessions: parametersOf(answer, "session").map(({ part }) => {
      const period = valueOf(part, "period") as Period | undefined;
      return {
        start: timeOf(period?.start),
        end: timeOf(period?.end),
        values: count(part, "values"),
        fires: count(part, "fires"),
        firesToday: count(part, "fires-today"),
        alerts: parametersOf(part, "alert").map((alert) => ({
          at: timeOf(stringOf(alert.part, "at")),
          priority: stringOf(alert.part, "priority"),
          display: stringOf(alert.part, "display") ?? "",
          value: amount(valueOf(alert.part, "value")),
          limit: amount(valueOf(alert.part, "limit")),
        })),
      };
    }),
  };
}

function count(from: Parameters["parameter"], name: string): number {
  return Number(stringOf(from, name) ?? 0);
}

function amount(value: unknown): string | undefined {
  const quantity = value as Quantity | undefined;
  if (quantity?.value === undefined) return undefined;
  return `${quantity.value} ${(quantity.unit ?? "").replace("mm[Hg]", "mmHg")}`.trim();
}

/** The answer in one sentence, for somebody who decides. */
export function previewWords(preview: Preview): string {
  const sessions = preview.sessions.length;
  if (sessions === 0)
    return "There is no finished treatment to look at, so nobody can say how often this limit would have fired.";
  const seen = preview.sessions.some((one) => one.values > 0);
  const span = sessions === 1 ? "the last treatment" : `the last ${sessions} treatments`;
  if (!seen)
    return `In ${span} this was not measured, so nobody can say how often this limit would have fired.`;
  return `In ${span} this limit would have fired ${times(preview.fires)}; today’s rules: ${times(preview.firesToday)}.`;
}

function times(number: number): string {
  if (number === 0) return "never";
  return number === 1 ? "1 time" : `${number} times`;
}
