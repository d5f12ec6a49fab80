// What the app knows of the record at this moment: the newest version of each resource, and values over time.
// Whoever shows it is told, at most once in a short while, that something changed.

import { keyOf, localReference, versionOf } from "../fhir/read";
import { samplesOf } from "../fhir/samples";
import type { FhirResource, Observation } from "../fhir/types";
import { Series } from "./series";

type Listener = () => void;

const TOLD_AFTER_MS = 40;
/** [P] Enough for a roster's sparks; a patient that is open keeps a whole night at one value a second. */
const FEW = 900;
const MANY = 30_000;

export class LiveRecord {
  private readonly byType = new Map<string, Map<string, FhirResource>>();
  private readonly lists = new Map<string, readonly FhirResource[]>();
  private readonly series = new Map<string, Map<string, Series>>();
  private readonly listeners = new Set<Listener>();
  private readonly valueListeners = new Map<string, Set<Listener>>();
  private readonly changedPatients = new Set<string>();
  private pending: ReturnType<typeof setTimeout> | undefined;
  private resourcesChanged = false;
  private openPatient: string | undefined;
  /** Types this person may not see: of those nothing is said, not even that there is none. */
  hidden: ReadonlySet<string> = new Set();
  /** Grows with each change of resources (not of values): a snapshot for React. */
  revision = 0;

  /** Takes a resource: an Observation with values as values, anything else where it is newer than what is known. */
  put(resource: FhirResource): void {
    if (resource.resourceType === "Observation") this.putObservation(resource);
    const known = this.get(keyOf(resource));
    if (known && versionOf(known) > versionOf(resource)) return;
    if (resource.resourceType === "Observation" && samplesOf(resource).length > 0) return;
    let kept = this.byType.get(resource.resourceType);
    if (!kept) this.byType.set(resource.resourceType, (kept = new Map<string, FhirResource>()));
    kept.set(keyOf(resource), resource);
    this.changed(resource.resourceType);
  }

  remove(key: string): void {
    const type = key.split("/")[0] ?? "";
    if (this.byType.get(type)?.delete(key)) this.changed(type);
  }

  /** Forgets all of these types, as before everything that stands is loaded. */
  forget(types: readonly string[]): void {
    for (const type of types) {
      this.byType.delete(type);
      this.changed(type);
    }
  }

  get(key: string | undefined): FhirResource | undefined {
    return key === undefined ? undefined : this.byType.get(key.split("/")[0] ?? "")?.get(key);
  }

  /** All of a type, as one list that stays the same while nothing of the type changes. */
  all<Type extends FhirResource["resourceType"]>(
    type: Type,
  ): readonly Extract<FhirResource, { resourceType: Type }>[] {
    let list = this.lists.get(type);
    if (!list) this.lists.set(type, (list = [...(this.byType.get(type)?.values() ?? [])]));
    return list as readonly Extract<FhirResource, { resourceType: Type }>[];
  }

  /** The values of one quantity of `patient` (`Patient/id`), where there are any. */
  values(patient: string, quantity: string): Series | undefined {
    return this.series.get(patient)?.get(quantity);
  }

  /** Keeps long series for `patient` from now on, short ones for everybody else. */
  open(patient: string | undefined): void {
    if (this.openPatient === patient) return;
    if (this.openPatient) this.series.delete(this.openPatient);
    if (patient) this.series.delete(patient);
    this.openPatient = patient;
  }

  /** Forgets the values of whom nobody looks at: what is shown again is loaded again. */
  forgetValues(patient: string): void {
    if (patient !== this.openPatient) this.series.delete(patient);
  }

  readonly subscribe = (listener: Listener): (() => void) => {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  };

  /** As `subscribe`, for values of one patient. */
  subscribeValues(patient: string, listener: Listener): () => void {
    let set = this.valueListeners.get(patient);
    if (!set) this.valueListeners.set(patient, (set = new Set()));
    set.add(listener);
    return () => set.delete(listener);
  }

  private putObservation(observation: Observation): void {
    for (const { patient, quantity, time, value } of samplesOf(observation)) {
      let ofPatient = this.series.get(patient);
      if (!ofPatient) this.series.set(patient, (ofPatient = new Map()));
      let series = ofPatient.get(quantity);
      if (!series) ofPatient.set(quantity, (series = new Series(patient === this.openPatient ? MANY : FEW)));
      series.add(time, value);
      this.changedPatients.add(patient);
    }
    if (localReference(observation.subject?.reference)) this.tellSoon();
  }

  private changed(type: string): void {
    this.lists.delete(type);
    this.resourcesChanged = true;
    this.tellSoon();
  }

  private tellSoon(): void {
    this.pending ??= setTimeout(() => this.tell(), TOLD_AFTER_MS);
  }

  private tell(): void {
    this.pending = undefined;
    const patients = [...this.changedPatients];
    this.changedPatients.clear();
    if (this.resourcesChanged) {
      this.resourcesChanged = false;
      this.revision += 1;
      for (const listener of [...this.listeners]) listener();
    }
    for (const patient of patients)
      for (const listener of [...(this.valueListeners.get(patient) ?? [])]) listener();
  }
}
