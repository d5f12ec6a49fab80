// A set of Subscriptions on one websocket, followed without a gap: repetitions are dropped, what is missing is asked for.
// Whatever ends one binding ends its socket, so what changes often (values) has a stream apart from what must not (alerts).

import type { FhirServer } from "../fhir/server";
import type { Bundle } from "../fhir/types";
import { AT_START, owed, step, type Cursor } from "./cursor";
import { Line } from "./line";
import { notificationOf, type Notification } from "./notification";
import { subscriptionFor, type Purpose, type Wish } from "./subscription";

export interface StreamEvents {
  onEvents(notification: Notification): void;
  /** Anything was heard about this Subscription: events, heartbeat, handshake. */
  onHeard(id: string, purpose: Purpose, notification: Notification): void;
  onOpen(isOpen: boolean, problem?: string): void;
  /** The Subscriptions are gone, or something owed cannot be had any more: everything has to be made and loaded anew. */
  onGone(): void;
  /** Who else has the chart open that this socket said it has open. */
  onPresence?(patient: string, viewers: readonly string[]): void;
}

/** An app that vanished leaves its Subscriptions for so long. */
const ENDS_AFTER_MS = 12 * 3_600_000;

export class Stream {
  private readonly held = new Map<string, { readonly purpose: Purpose; cursor: Cursor }>();
  private readonly line: Line;
  private stopped = false;

  constructor(
    private readonly server: FhirServer,
    private readonly events: StreamEvents,
  ) {
    this.line = new Line(server, {
      onNotification: (notification) => this.heard(notification),
      onGone: () => this.gone(),
      onOpen: (isOpen, problem) => this.stopped || events.onOpen(isOpen, problem),
      onPresence: (patient, viewers) => events.onPresence?.(patient, viewers),
    });
  }

  /** Makes the Subscriptions and binds them; `now` is the server's time. Throws what the server refuses. */
  async start(wishes: readonly Wish[], now: number): Promise<void> {
    const end = new Date(now + ENDS_AFTER_MS);
    const ids: string[] = [];
    for (const wish of wishes) {
      const made = await this.server.create(subscriptionFor(wish, end));
      const id = made.id ?? "";
      if (this.stopped) {
        this.server.lastWords("DELETE", `Subscription/${id}`);
        return;
      }
      this.held.set(id, { purpose: wish.purpose, cursor: AT_START });
      ids.push(id);
    }
    if (ids.length) await this.line.bind(ids);
  }

  /** Ids of the Subscriptions for `purpose`. */
  ids(purpose: Purpose): string[] {
    return [...this.held].filter(([, one]) => one.purpose === purpose).map(([id]) => id);
  }

  hurry(): void {
    this.line.hurry();
  }

  /** Says which chart is open at this screen, none without one. */
  present(patient: string | undefined): void {
    this.line.present(patient);
  }

  /** Ends it all, on the server too as far as it can be reached. */
  stop(): void {
    this.stopped = true;
    this.line.close();
    for (const id of this.held.keys()) this.server.lastWords("DELETE", `Subscription/${id}`);
    this.held.clear();
  }

  private heard(notification: Notification): void {
    const held = this.held.get(notification.subscription);
    if (!held || this.stopped) return;
    this.events.onHeard(notification.subscription, held.purpose, notification);
    if (notification.status === "error" || notification.status === "off") {
      this.gone();
      return;
    }
    if (notification.kind === "event") {
      const { cursor, isNew, missing } = step(held.cursor, notification.numbers);
      held.cursor = cursor;
      if (isNew) this.events.onEvents(notification);
      if (missing) void this.catchUp(notification.subscription, missing.from, missing.until);
    } else if (notification.kind === "heartbeat") {
      const missing = owed(held.cursor, notification.total);
      if (!missing) return;
      held.cursor = { through: missing.until };
      void this.catchUp(notification.subscription, missing.from, missing.until);
    }
  }

  private async catchUp(id: string, from: number, until: number): Promise<void> {
    try {
      let path: string | undefined =
        `Subscription/${id}/$events?eventsSinceNumber=${from}&eventsUntilNumber=${until}`;
      while (path && !this.stopped) {
        const bundle: Bundle = await this.server.read<Bundle>(path);
        const notification = notificationOf(bundle);
        if (notification && !this.stopped) this.events.onEvents(notification);
        path = bundle.link?.find((one) => one.relation === "next")?.url;
      }
    } catch {
      // What cannot be asked for by number is loaded as it stands now.
      this.gone();
    }
  }

  private gone(): void {
    if (!this.stopped) this.events.onGone();
  }
}
