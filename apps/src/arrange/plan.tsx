// The treatment plan: how long, how often, the dry weight. The dry weight makes the limit of the fluid removal rate.

import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { ActionResult } from "../act/action";
import { localReference } from "../fhir/read";
import { Refused } from "../fhir/refused";
import type { CarePlan, Goal } from "../fhir/types";
import { durationText } from "../model/freshness";
import { typedNumber } from "../model/monitoring_order";
import {
  dryWeightOf,
  goalsIn,
  planDraftOf,
  planEntries,
  planProblems,
  plansTreatments,
  type PlanProblems,
} from "../model/treatment_plan";
import { useLive, useNames } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import { Field, focusFirstProblem } from "./field";
import type { SectionProps } from "./index";
import { StateOf } from "./state_of";
import { useFormKey, useSaving, type Saving } from "./use_saving";

interface Found {
  readonly plan: CarePlan | undefined;
  readonly goal: Goal | undefined;
}

export function PlanSection({ patient }: SectionProps): React.JSX.Element {
  const { server, person } = useLive();
  const nameOf = useNames();
  const loaded = useLoaded(async (): Promise<Found> => {
    const [plans, goals] = await Promise.all([
      server.searchAll("CarePlan", { patient, status: "active" }),
      server.searchAll("Goal", { patient }),
    ]);
    const plan = plans.find(
      (one): one is CarePlan => one.resourceType === "CarePlan" && plansTreatments(one),
    );
    const named = new Set(plan ? goalsIn(plan) : []);
    const weights = goals.filter(
      (one): one is Goal =>
        one.resourceType === "Goal" && named.has(`Goal/${one.id}`) && dryWeightOf(one) !== undefined,
    );
    // Of several the least counts, as for the server.
    const [goal] = weights.sort((a, b) => (dryWeightOf(a) ?? 0) - (dryWeightOf(b) ?? 0));
    return { plan, goal };
  }, [server, patient]);
  const saving = useSaving(loaded.again);
  const versions = [loaded.value?.plan?.meta?.versionId, loaded.value?.goal?.meta?.versionId];
  const formKey = useFormKey(versions.join(), saving.step);
  const isClinician = /^Practitioner(Role)?\//.test(person.reference);
  const draft = planDraftOf(loaded.value?.plan, loaded.value?.goal);
  const author = localReference(loaded.value?.plan?.author?.reference);
  const updated = loaded.value?.plan?.meta?.lastUpdated;
  return (
    <section className="card" aria-labelledby="plan">
      <h2 id="plan">Treatment plan</h2>
      {!isClinician && (
        <p className="why">
          The plan is written by nurses and doctors of the care team.
          {person.role === "family" ? " It stays between the patient and the clinic." : ""}
        </p>
      )}
      {!(loaded.problem && person.role === "family") && <StateOf of={loaded} what="the treatment plan" />}
      {loaded.value && !loaded.value.plan && (
        <p>
          There is no plan. Without one the end of a treatment is missed late, and no limit of the fluid
          removal rate follows the patient’s weight.
        </p>
      )}
      {loaded.value?.plan && (
        <dl className="facts">
          <dt>Length</dt>
          <dd>{draft.minutes === undefined ? "not said" : durationText(draft.minutes)}</dd>
          <dt>Each week</dt>
          <dd>{draft.perWeek === undefined ? "not said" : `${draft.perWeek} times`}</dd>
          <dt>Dry weight</dt>
          <dd>{draft.weight === undefined ? "not said" : `${draft.weight} kg`}</dd>
          {draft.note && (
            <>
              <dt>Note</dt>
              <dd>{draft.note}</dd>
            </>
          )}
          <dt>Written</dt>
          <dd>
            {author ? nameOf(author) : "by somebody unknown"}
            {updated ? `, ${dayText(Date.parse(updated))}` : ""}
          </dd>
        </dl>
      )}
      <ActionResult action={saving} />
      {isClinician && loaded.value && (
        <PlanForm key={formKey} patient={patient} found={loaded.value} saving={saving} />
      )}
    </section>
  );
}

function PlanForm({
  patient,
  found,
  saving,
}: {
  readonly patient: string;
  readonly found: Found;
  readonly saving: Saving;
}): React.JSX.Element {
  const { server, person } = useLive();
  const before = planDraftOf(found.plan, found.goal);
  const form = useRef<HTMLFormElement>(null);
  const [minutes, setMinutes] = useState(before.minutes?.toString() ?? "");
  const [perWeek, setPerWeek] = useState(before.perWeek?.toString() ?? "");
  const [weight, setWeight] = useState(before.weight?.toString() ?? "");
  const [note, setNote] = useState(before.note);
  const [problems, setProblems] = useState<PlanProblems>({});
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    const draft = {
      minutes: typedNumber(minutes),
      perWeek: typedNumber(perWeek),
      weight: typedNumber(weight),
      note,
    };
    const wrong = planProblems(draft);
    flushSync(() => setProblems(wrong));
    if (Object.keys(wrong).length) return focusFirstProblem(form.current);
    void saving.save(async () => {
      const answer = await server.transact(
        planEntries(patient, person.reference, draft, found.plan, found.goal),
      );
      const refused = answer.entry?.find((one) => !one.response?.status.startsWith("2"));
      if (refused)
        throw new Refused(Number(refused.response?.status.slice(0, 3)), "Not all of it was stored.");
    }, "The plan is saved.");
  };
  return (
    <details>
      <summary>{found.plan ? "Change the plan" : "Write a plan"}</summary>
      <form ref={form} className="form" noValidate onSubmit={submit}>
        <div className="fields">
          <Field label="Length of a treatment (minutes)" problem={problems.minutes}>
            {(wired) => (
              <input
                {...wired}
                inputMode="numeric"
                value={minutes}
                onChange={(event) => setMinutes(event.target.value)}
              />
            )}
          </Field>
          <Field label="Treatments a week" problem={problems.perWeek}>
            {(wired) => (
              <input
                {...wired}
                inputMode="numeric"
                value={perWeek}
                onChange={(event) => setPerWeek(event.target.value)}
              />
            )}
          </Field>
          <Field
            label="Dry weight (kg)"
            hint="Changes the limit of the fluid removal rate at once."
            problem={problems.weight}
          >
            {(wired) => (
              <input
                {...wired}
                inputMode="decimal"
                value={weight}
                onChange={(event) => setWeight(event.target.value)}
              />
            )}
          </Field>
        </div>
        <Field label="Note">
          {(wired) => (
            <textarea
              {...wired}
              rows={3}
              maxLength={2000}
              value={note}
              onChange={(event) => setNote(event.target.value)}
            />
          )}
        </Field>
        <div className="tools">
          <button type="submit" className="main" disabled={saving.step === "sending"}>
            Save the plan
          </button>
        </div>
      </form>
    </details>
  );
}
