// What a frame of the websocket says: a notification Bundle of the Backport, read once. Pure.

import { localReference, parametersOf, referenceOf, stringOf, timeOf } from "../fhir/read";
import type { Bundle, FhirResource, Parameters } from "../fhir/types";

export interface Notification {
  /** Id of the Subscription. */
  readonly subscription: string;
  readonly kind: "handshake" | "heartbeat" | "event" | "other";
  readonly status: string | undefined;
  /** How many events the Subscription has had. */
  readonly total: number;
  /** Numbers of the events in this frame, ascending. */
  readonly numbers: readonly number[];
  readonly resources: readonly FhirResource[];
  /** `Type/id` of what was deleted. */
  readonly deleted: readonly string[];
  /** The server's clock when it sent this. */
  readonly sent: number | undefined;
}

const KINDS: Readonly<Record<string, Notification["kind"]>> = {
  handshake: "handshake",
  heartbeat: "heartbeat",
  "event-notification": "event",
  "query-event": "event",
};

/** The notification in `text`; undefined for anything else. */
export function readNotification(text: string): Notification | undefined {
  let bundle: Bundle;
  try {
    bundle = JSON.parse(text) as Bundle;
  } catch {
    return undefined;
  }
  return notificationOf(bundle);
}

export function notificationOf(bundle: Bundle): Notification | undefined {
  const status = bundle.entry?.[0]?.resource as Parameters | undefined;
  if (status?.resourceType !== "Parameters") return undefined;
  const subscription = referenceOf(status, "subscription")?.replace("Subscription/", "");
  if (!subscription) return undefined;
  const numbers = parametersOf(status, "notification-event")
    .map((event) => Number(stringOf(event.part, "event-number")))
    .filter((number) => Number.isInteger(number) && number > 0)
    .sort((a, b) => a - b);
  const resources: FhirResource[] = [];
  const deleted: string[] = [];
  for (const entry of bundle.entry?.slice(1) ?? []) {
    if (entry.resource) resources.push(entry.resource);
    else if (entry.request?.method === "DELETE") {
      const key = localReference(entry.fullUrl ?? entry.request.url);
      if (key) deleted.push(key);
    }
  }
  return {
    subscription,
    kind: KINDS[stringOf(status, "type") ?? ""] ?? "other",
    status: stringOf(status, "status"),
    total: Number(stringOf(status, "events-since-subscription-start") ?? 0),
    numbers,
    resources,
    deleted,
    sent: timeOf(bundle.timestamp),
  };
}
