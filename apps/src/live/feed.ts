// Keeps a LiveRecord true: loads what stands, follows what happens.
// Subscriptions come first and searches after: what changes in between comes twice, and nothing is missed.

import { messageOf, Refused } from "../fhir/refused";
import type { FhirServer } from "../fhir/server";
import type { FhirResource } from "../fhir/types";
import { connectionAt, type Connection } from "./connection";
import type { Standing } from "./initial";
import type { Notification } from "./notification";
import type { LiveRecord } from "./record";
import { offsetFrom, type ServerClock } from "./server_clock";
import { Stream } from "./stream";
import { alertWishes, valueWishes } from "./wishes";

export interface FeedState {
  readonly connection: Connection;
  /** Why live data does not come, where the server or the network said so. */
  readonly problem: string | undefined;
  readonly isLoaded: boolean;
  /** Grows when everything was loaded anew: views load again what they hold beside it. */
  readonly turn: number;
  /** Who else has the chart open that is open here. */
  readonly viewers: readonly string[];
}

/** What stands: `all` there is to a list of patients, `open` what changes by the second. */
export interface Loads {
  readonly all: (server: FhirServer) => Promise<Standing>;
  readonly open: (server: FhirServer) => Promise<Standing>;
}

const ANEW_AFTER_MS = 5000;
const NOBODY: readonly string[] = [];

export class Feed {
  private readonly lastHeard = new Map<string, number>();
  private readonly listeners = new Set<() => void>();
  private alerts: Stream | undefined;
  private values: Stream | undefined;
  private watched: { patients: readonly string[]; quantities: readonly string[] } = {
    patients: [],
    quantities: [],
  };
  private chart: string | undefined;
  private viewers: readonly string[] = NOBODY;
  private turn = 0;
  private since: number;
  private problem: string | undefined;
  private isLoaded = false;
  private stopped = false;
  private again: ReturnType<typeof setTimeout> | undefined;
  private valuesAgain: ReturnType<typeof setTimeout> | undefined;

  constructor(
    private readonly server: FhirServer,
    private readonly record: LiveRecord,
    private readonly clock: ServerClock,
    private readonly loads: Loads,
    private readonly monotonic: () => number = () => performance.now(),
  ) {
    this.since = monotonic();
  }

  state(): FeedState {
    const connection = connectionAt({ lastHeard: this.lastHeard, since: this.since }, this.monotonic());
    return {
      connection,
      problem: this.problem,
      isLoaded: this.isLoaded,
      turn: this.turn,
      viewers: this.viewers,
    };
  }

  readonly subscribe = (listener: () => void): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** Begins, or begins anew: with fresh Subscriptions and everything loaded once more. */
  async start(): Promise<void> {
    const turn = ++this.turn;
    this.stopped = false;
    clearTimeout(this.again);
    this.alerts?.stop();
    try {
      // Who the patients are has to be known before anything can be subscribed to.
      const standing = await this.loads.all(this.server);
      if (turn !== this.turn) return;
      // What ended while nobody told us is not among what stands.
      this.record.forget(["Flag", "Task", "Procedure"]);
      this.take(standing.resources);
      this.record.hidden = new Set(standing.hidden);
      this.isLoaded = true;
      this.tell();
      const stream = this.alertStream();
      this.alerts = stream;
      const patients = this.record.all("Patient").map((one) => `Patient/${one.id}`);
      await stream.start(alertWishes(patients), this.clock.now());
      if (turn !== this.turn) return stream.stop();
      // A Subscription that was never heard is as silent as one that fell silent.
      this.lastHeard.clear();
      for (const id of stream.ids("alerts")) this.lastHeard.set(id, this.monotonic());
      stream.present(this.chart);
      // Once more, for what changed between the first look and the Subscriptions.
      this.take((await this.loads.open(this.server)).resources);
      this.problem = undefined;
      await this.followValues();
    } catch (error) {
      if (turn !== this.turn || this.stopped) return;
      this.problem = messageOf(error);
      if (!(error instanceof Refused && error.status === 401)) this.anewLater();
    }
    this.tell();
  }

  /** From now on the values of these patients come, and of nobody else. */
  async watchValues(patients: readonly string[], quantities: readonly string[]): Promise<void> {
    const before = this.watched;
    if (before.patients.join() === patients.join() && before.quantities.join() === quantities.join()) return;
    this.watched = { patients, quantities };
    for (const patient of before.patients) if (!patients.includes(patient)) this.record.forgetValues(patient);
    if (this.isLoaded) await this.followValues();
  }

  /** Says which chart (`Patient/id`) is open at this screen, none without one. */
  openChart(patient: string | undefined): void {
    this.chart = patient;
    this.viewers = NOBODY;
    this.alerts?.present(patient);
    this.tell();
  }

  /** Takes resources a view has loaded by itself, or what the server answered to an action. */
  take(resources: readonly FhirResource[]): void {
    for (const resource of resources) this.record.put(resource);
  }

  /** Tries at once, as when the browser says that the network is back. */
  hurry(): void {
    this.alerts?.hurry();
    this.values?.hurry();
  }

  /** Ends everything, also the Subscriptions on the server as far as it can be reached. */
  stop(): void {
    this.stopped = true;
    this.turn += 1;
    clearTimeout(this.again);
    clearTimeout(this.valuesAgain);
    this.alerts?.stop();
    this.values?.stop();
  }

  private alertStream(): Stream {
    const stream: Stream = new Stream(this.server, {
      onEvents: (notification) => this.apply(notification),
      onHeard: (id, purpose, notification) => {
        if (notification.sent !== undefined) this.clock.learn(offsetFrom(notification.sent, Date.now()));
        if (purpose !== "alerts" || stream !== this.alerts) return;
        this.lastHeard.set(id, this.monotonic());
        this.tell();
      },
      onOpen: (isOpen, problem) => {
        this.problem = isOpen ? undefined : problem;
        this.tell();
      },
      onGone: () => this.anewLater(),
      onPresence: (patient, viewers) => {
        if (patient !== this.chart) return;
        this.viewers = viewers;
        this.tell();
      },
    });
    return stream;
  }

  private async followValues(): Promise<void> {
    clearTimeout(this.valuesAgain);
    const before = this.values;
    const { patients, quantities } = this.watched;
    const stream = new Stream(this.server, {
      onEvents: (notification) => this.apply(notification),
      onHeard: () => undefined,
      onOpen: () => undefined,
      onGone: () => this.valuesLater(),
    });
    this.values = stream;
    before?.stop();
    if (patients.length === 0) return;
    try {
      await stream.start(valueWishes(patients, quantities), this.clock.now());
    } catch {
      // Alerts go on without values, whose absence is seen: each says since when there are none.
      if (this.values === stream && !this.stopped) this.valuesLater();
    }
  }

  private valuesLater(): void {
    clearTimeout(this.valuesAgain);
    this.valuesAgain = setTimeout(() => void this.followValues(), ANEW_AFTER_MS);
  }

  private apply(notification: Notification): void {
    this.take(notification.resources);
    for (const key of notification.deleted) this.record.remove(key);
  }

  private anewLater(): void {
    if (this.stopped) return;
    clearTimeout(this.again);
    this.again = setTimeout(() => void this.start(), ANEW_AFTER_MS);
  }

  private tell(): void {
    for (const listener of [...this.listeners]) listener();
  }
}
