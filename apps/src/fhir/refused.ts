// What a server says no with, as an error a person can act on.

import type { OperationOutcome } from "./types";

/** A request that was not done. `status` 0: the server was not reached, so nothing is known of it. */
export class Refused extends Error {
  constructor(
    readonly status: number,
    message: string,
    readonly outcome?: OperationOutcome,
  ) {
    super(message);
    this.name = "Refused";
  }

  /** Whether nobody can tell that the request did nothing. */
  get isUnknown(): boolean {
    return this.status === 0 || this.status >= 500;
  }
}

const WHAT_TO_DO: Readonly<Record<number, string>> = {
  0: "The server was not reached. Nothing is confirmed. Check the connection and try again.",
  401: "Your sign-in has ended. Sign in again.",
  403: "You may not do this.",
  404: "It is not there, or not for you to see.",
  409: "Somebody else changed it at the same moment. Look again and repeat.",
  412: "Somebody else changed it meanwhile. Look again and repeat.",
  429: "Too many requests. Wait a moment and try again.",
  503: "A part of the server is away. Nothing was stored. Try again.",
};

/** The server's own words of an outcome, without repeating any. */
export function wordsOf(outcome: OperationOutcome | undefined): string | undefined {
  const said = outcome?.issue?.map((one) => one.details?.text ?? one.diagnostics).filter(Boolean);
  const words = [...new Set(said)].join(" ");
  return words || undefined;
}

/** The error for an answer with `status`; `outcome` where the server sent one. */
export function refusedBy(status: number, outcome: OperationOutcome | undefined): Refused {
  const known =
    WHAT_TO_DO[status] ?? (status >= 500 ? "The server failed. Look whether it was done, then repeat." : "");
  const words = wordsOf(outcome);
  const said = [known, words && words !== known ? words : ""].filter(Boolean).join(" ");
  return new Refused(status, said || `The server answered ${status}.`, outcome);
}

/** What to show of anything that was thrown. */
export function messageOf(error: unknown): string {
  if (error instanceof Refused) return error.message;
  return error instanceof Error ? error.message : String(error);
}
