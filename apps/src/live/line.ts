// One websocket, held open: Subscriptions are bound to it, frames come out, and when it ends it is opened again.
// The server goes on where it stopped (docs of the Backport's websocket channel), so nothing is lost meanwhile.

import { parametersOf, stringOf, timeOf } from "../fhir/read";
import { messageOf, Refused } from "../fhir/refused";
import type { FhirServer } from "../fhir/server";
import { needsNewSubscriptions, pauseBefore } from "./connection";
import { readNotification, type Notification } from "./notification";
import { readPresence } from "./presence";

export interface LineEvents {
  onNotification(notification: Notification): void;
  /** The Subscriptions are gone or may not be bound any more: make new ones and call `bind` again. */
  onGone(): void;
  /** Whether the socket is open now; `problem` says why it is not. */
  onOpen(isOpen: boolean, problem?: string): void;
  onPresence(patient: string, viewers: readonly string[]): void;
}

const OPENS_WITHIN_MS = 10_000;
/** Bound again this long before the token ends. */
const RENEWED_BEFORE_MS = 5 * 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** A server that does not know presence closes the socket within this time of hearing of it. */
const REFUSED_WITHIN_MS = 3000;
const NOT_UNDERSTOOD = 1008;

export class Line {
  private socket: WebSocket | undefined;
  private bound = new Set<string>();
  private attempt = 0;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private renewal: ReturnType<typeof setTimeout> | undefined;
  private closed = false;
  private opening = false;
  private chart: string | undefined;
  private saidPresence = -Infinity;
  private knowsPresence = true;

  constructor(
    private readonly server: FhirServer,
    private readonly events: LineEvents,
  ) {}

  /** Binds these Subscriptions too, at once where a socket is open. */
  async bind(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.bound.add(id);
    if (this.socket?.readyState === WebSocket.OPEN) await this.sendToken(this.socket, ids);
    else await this.open();
  }

  /** Says which chart is open, now and on each socket to come. */
  present(patient: string | undefined): void {
    const isChange = patient !== this.chart;
    this.chart = patient;
    if (isChange && this.socket?.readyState === WebSocket.OPEN) this.sayPresence(this.socket);
  }

  /** Tries now, as when the network is back. */
  hurry(): void {
    if (this.closed || this.socket?.readyState === WebSocket.OPEN || this.bound.size === 0) return;
    clearTimeout(this.retry);
    this.attempt = 0;
    void this.open();
  }

  close(): void {
    this.closed = true;
    clearTimeout(this.retry);
    this.drop();
  }

  private drop(): void {
    clearTimeout(this.renewal);
    const socket = this.socket;
    this.socket = undefined;
    if (!socket) return;
    socket.onclose = socket.onmessage = socket.onopen = null;
    socket.close();
  }

  private async open(): Promise<void> {
    if (this.closed || this.opening || this.bound.size === 0) return;
    this.opening = true;
    try {
      const { token, url, expires } = await this.token([...this.bound]);
      const socket = new WebSocket(url);
      this.drop();
      this.socket = socket;
      const overdue = setTimeout(() => socket.close(), OPENS_WITHIN_MS);
      socket.onopen = () => {
        clearTimeout(overdue);
        socket.send(`bind-with-token: ${token}`);
        this.attempt = 0;
        this.renewAt(expires);
        this.events.onOpen(true);
      };
      socket.onmessage = (message: MessageEvent<unknown>) => {
        if (typeof message.data === "string") this.heard(socket, message.data);
      };
      socket.onclose = (event) => {
        clearTimeout(overdue);
        if (this.socket === socket) this.ended(event.code);
      };
    } catch (error) {
      this.failed(error);
    } finally {
      this.opening = false;
    }
  }

  private heard(socket: WebSocket, text: string): void {
    const notification = readNotification(text);
    if (notification) {
      if (this.bound.has(notification.subscription)) this.events.onNotification(notification);
      if (notification.kind === "handshake" && this.chart) this.sayPresence(socket);
      return;
    }
    const presence = readPresence(text);
    if (presence) this.events.onPresence(presence.patient, presence.viewers);
  }

  private sayPresence(socket: WebSocket): void {
    if (!this.knowsPresence) return;
    this.saidPresence = performance.now();
    socket.send(this.chart ? `presence: ${this.chart}` : "presence:");
  }

  private async token(
    ids: readonly string[],
  ): Promise<{ token: string; url: string; expires: number | undefined }> {
    const answer = await this.server.ask("Subscription/$get-ws-binding-token", { id: ids });
    const token = stringOf(answer, "token");
    const url = stringOf(answer, "websocket-url");
    if (!token || !url) throw new Refused(422, "The server offers no websocket for live data.");
    const given = parametersOf(answer, "subscription").length;
    if (given && given < ids.length) throw new Refused(404, "A Subscription is gone.");
    return { token, url, expires: timeOf(stringOf(answer, "expiration")) };
  }

  private async sendToken(socket: WebSocket, ids: readonly string[]): Promise<void> {
    const { token, expires } = await this.token(ids);
    if (socket.readyState !== WebSocket.OPEN) return;
    socket.send(`bind-with-token: ${token}`);
    this.renewAt(expires);
  }

  private renewAt(expires: number | undefined): void {
    clearTimeout(this.renewal);
    if (expires === undefined) return;
    const wait = Math.min(LONGEST_TIMER_MS, Math.max(10_000, expires - Date.now() - RENEWED_BEFORE_MS));
    this.renewal = setTimeout(() => {
      const socket = this.socket;
      if (socket) this.sendToken(socket, [...this.bound]).catch(() => socket.close());
    }, wait);
  }

  private ended(code: number): void {
    this.drop();
    if (this.closed) return;
    this.events.onOpen(false);
    if (code === NOT_UNDERSTOOD && performance.now() - this.saidPresence < REFUSED_WITHIN_MS) {
      this.knowsPresence = false;
      this.later();
      return;
    }
    if (needsNewSubscriptions(code)) this.events.onGone();
    else this.later();
  }

  private failed(error: unknown): void {
    if (this.closed) return;
    this.events.onOpen(false, messageOf(error));
    const isGone = error instanceof Refused && [403, 404, 410, 422].includes(error.status);
    if (isGone) this.events.onGone();
    else this.later();
  }

  private later(): void {
    clearTimeout(this.retry);
    this.attempt += 1;
    this.retry = setTimeout(() => void this.open(), pauseBefore(this.attempt, Math.random()));
  }
}
