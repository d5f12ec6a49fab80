// The Subscriptions of a view: which events it wants, as R4 Subscriptions with the R5 Backport's extensions. Pure.
// https://hl7.org/fhir/uv/subscriptions-backport/STU1.1/

import { EXTENSION } from "../fhir/systems";
import type { Subscription } from "../fhir/types";

/** What a Subscription is for. Only `alerts` proves by its heartbeat that alarms can arrive. */
export type Purpose = "alerts" | "response" | "values";

export interface Wish {
  readonly purpose: Purpose;
  readonly topic: string;
  readonly filters: readonly string[];
}

export const HEARTBEAT_S = 10;
const MOST_EVENTS = 200;
/** A server takes so many alternatives in one filter; more patients are more Subscriptions. */
export const MOST_PATIENTS = 100;

/** The Subscription for `wish`, which ends by itself at `end` when the app could not end it. */
export function subscriptionFor(wish: Wish, end: Date): Subscription {
  return {
    resourceType: "Subscription",
    status: "requested",
    reason: `The app: ${wish.purpose}`,
    end: end.toISOString(),
    criteria: wish.topic,
    _criteria: { extension: wish.filters.map((one) => ({ url: EXTENSION.filter, valueString: one })) },
    channel: {
      extension: [
        { url: EXTENSION.heartbeat, valueUnsignedInt: HEARTBEAT_S },
        { url: EXTENSION.maxCount, valuePositiveInt: MOST_EVENTS },
      ],
      type: "websocket",
      payload: "application/fhir+json",
      _payload: { extension: [{ url: EXTENSION.content, valueCode: "full-resource" }] },
    },
  } as Subscription;
}

/** `list` in parts of at most `size`. */
export function partsOf<T>(list: readonly T[], size: number): T[][] {
  const parts: T[][] = [];
  for (let at = 0; at < list.length; at += size) parts.push(list.slice(at, at + size));
  return parts;
}
