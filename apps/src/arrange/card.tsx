// The fridge card: what whoever comes to the door has to know.

import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { ActionResult } from "../act/action";
import type { DocumentReference, Patient } from "../fhir/types";
import {
  cardDocument,
  cardOf,
  cardProblems,
  homeAddress,
  isFridgeCard,
  type CardProblems,
} from "../model/fridge_card";
import { useLive, useRecord } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import { Field, focusFirstProblem } from "./field";
import type { SectionProps } from "./index";
import { StateOf } from "./state_of";
import { useFormKey, useSaving, type Saving } from "./use_saving";

export function CardSection({ patient }: SectionProps): React.JSX.Element {
  const { server, person } = useLive();
  const record = useRecord();
  const loaded = useLoaded(async () => {
    const found = await server.searchAll("DocumentReference", { patient, status: "current" });
    const cards = found.filter(
      (one): one is DocumentReference => one.resourceType === "DocumentReference" && isFridgeCard(one),
    );
    return { card: cards.sort((a, b) => (b.date ?? "").localeCompare(a.date ?? ""))[0] };
  }, [server, patient]);
  const saving = useSaving(loaded.again);
  const formKey = useFormKey(loaded.value?.card?.meta?.versionId ?? "", saving.step);
  const isClinician = /^Practitioner(Role)?\//.test(person.reference);
  const address = homeAddress(record.get(patient) as Patient | undefined);
  const card = cardOf(loaded.value?.card);
  const updated = loaded.value?.card?.meta?.lastUpdated;
  return (
    <section className="card" aria-labelledby="card">
      <h2 id="card">Fridge card</h2>
      <p className="quiet">
        For whoever comes to the door. In an emergency it is read out on the telephone to people who were told
        to call an ambulance. It is never in a text message.
      </p>
      {!isClinician && (
        <p className="why">
          The card is written by nurses and doctors of the care team. Tell them what has changed.
        </p>
      )}
      {!(loaded.problem && person.role === "family") && <StateOf of={loaded} what="the card" />}
      {loaded.problem && person.role === "family" && (
        <p className="why">You hear the card by telephone, when you were told of an emergency.</p>
      )}
      <dl className="facts">
        <dt>Address</dt>
        <dd>
          {address ?? "No address is known: an ambulance would not find the way. The clinic enters it."}
        </dd>
        {loaded.value && (
          <>
            <dt>How to get in</dt>
            <dd>{card.access || "not said"}</dd>
            <dt>To know</dt>
            <dd>{card.notes || "nothing said"}</dd>
            {updated && (
              <>
                <dt>Written</dt>
                <dd>{dayText(Date.parse(updated))}</dd>
              </>
            )}
          </>
        )}
      </dl>
      <ActionResult action={saving} />
      {isClinician && loaded.value && (
        <CardForm key={formKey} patient={patient} before={loaded.value.card} saving={saving} />
      )}
    </section>
  );
}

function CardForm({
  patient,
  before,
  saving,
}: {
  readonly patient: string;
  readonly before: DocumentReference | undefined;
  readonly saving: Saving;
}): React.JSX.Element {
  const { server, person, clock } = useLive();
  const form = useRef<HTMLFormElement>(null);
  const [card, setCard] = useState(() => cardOf(before));
  const [problems, setProblems] = useState<CardProblems>({});
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    const wrong = cardProblems(card);
    flushSync(() => setProblems(wrong));
    if (Object.keys(wrong).length) return focusFirstProblem(form.current);
    const document = cardDocument(patient, person.reference, card, before, clock.now());
    void saving.save(
      () => (before ? server.update(document) : server.create(document)),
      "The card is saved.",
    );
  };
  return (
    <details>
      <summary>{before ? "Change the card" : "Write the card"}</summary>
      <form ref={form} className="form" noValidate onSubmit={submit}>
        <Field label="How to get in" hint="Floor, bell, where the key is" problem={problems.access}>
          {(wired) => (
            <textarea
              {...wired}
              rows={3}
              value={card.access}
              onChange={(event) => setCard({ ...card, access: event.target.value })}
            />
          )}
        </Field>
        <Field
          label="To know at the door"
          hint="Dogs, language, hearing, where the machine stands"
          problem={problems.notes}
        >
          {(wired) => (
            <textarea
              {...wired}
              rows={3}
              value={card.notes}
              onChange={(event) => setCard({ ...card, notes: event.target.value })}
            />
          )}
        </Field>
        <div className="tools">
          <button type="submit" className="main" disabled={saving.step === "sending"}>
            Save the card
          </button>
        </div>
      </form>
    </details>
  );
}
