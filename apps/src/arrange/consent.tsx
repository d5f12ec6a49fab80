// Consent: who may not see what, in plain words; setting it down and taking it back.

import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { ActionResult } from "../act/action";
import { localReference, timeOf } from "../fhir/read";
import type { CareTeam, Consent } from "../fhir/types";
import { membersOf } from "../model/care_network";
import {
  denialOf,
  isMessaging,
  isPrivacy,
  PARTS,
  saidIn,
  saidWords,
  sortedConsents,
} from "../model/consents";
import { useLive, useNames, useRecord } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import { Confirm } from "./confirm";
import { Field, focusFirstProblem } from "./field";
import type { SectionProps } from "./index";
import { StateOf } from "./state_of";
import { useSaving, type Saving } from "./use_saving";

export function ConsentSection({ patient }: SectionProps): React.JSX.Element {
  const { server, person } = useLive();
  const loaded = useLoaded(async () => {
    const found = await server.searchAll("Consent", { patient });
    const consents = found.filter((one): one is Consent => one.resourceType === "Consent" && isPrivacy(one));
    return {
      privacy: sortedConsents(consents.filter((one) => !isMessaging(one))),
      messaging: sortedConsents(consents.filter(isMessaging)),
    };
  }, [server, patient]);
  const saving = useSaving(loaded.again);
  const nameOf = useNames();
  const isClinician = /^Practitioner(Role)?\//.test(person.reference);
  const isHidden = loaded.problem !== undefined && person.role === "family";
  const withdraw = (consent: Consent) =>
    saving.save(
      () => server.patch(consent, [{ op: "replace", path: "/status", value: "inactive" }]),
      "Taken back. It counts no more, within a second.",
    );
  return (
    <>
      <section className="card" aria-labelledby="consent">
        <h2 id="consent">Who may not see what</h2>
        <p>
          Without an entry here, everybody in the care team sees what their role allows. An entry takes
          something away. Patients always see their own record, and help in an emergency is not bound by it:
          it is written down and reviewed.
        </p>
        {!isClinician && (
          <p className="why">
            {person.role === "self"
              ? "You decide; your nurse or doctor writes it down with you, so that nobody can do it in your name. Ask them to set something down or to take it back."
              : "The patient decides, and a nurse or doctor of the care team writes it down."}
          </p>
        )}
        {isHidden ? (
          <p className="why">Consents stay between the patient and the clinic.</p>
        ) : (
          <StateOf of={loaded} what="the consents" />
        )}
        {loaded.value?.privacy.length === 0 && <p>Nothing is set down.</p>}
        <ul className="items">
          {loaded.value?.privacy.map((one) => (
            <ConsentItem
              key={one.id}
              consent={one}
              mayChange={isClinician}
              isSending={saving.step === "sending"}
              onWithdraw={() => void withdraw(one)}
            />
          ))}
        </ul>
        <ActionResult action={saving} />
        {isClinician && loaded.value && (
          <ConsentForm key={loaded.value.privacy.length} patient={patient} saving={saving} />
        )}
      </section>
      {loaded.value && loaded.value.messaging.length > 0 && (
        <section className="card" aria-labelledby="messaging">
          <h2 id="messaging">Who has agreed to be called</h2>
          <ul>
            {loaded.value.messaging.map((one) => (
              <li key={one.id}>
                {nameOf(localReference(one.performer?.[0]?.reference))}:{" "}
                {one.status === "active" ? "yes" : "no, has ended it"}
                {one.dateTime ? `, ${dayText(Date.parse(one.dateTime))}` : ""}
              </li>
            ))}
          </ul>
          <p className="quiet">
            Everybody says so for themselves by telephone: with the code they were sent, and ends it with
            STOP.
          </p>
        </section>
      )}
    </>
  );
}

interface ItemProps {
  readonly consent: Consent;
  readonly mayChange: boolean;
  readonly isSending: boolean;
  readonly onWithdraw: () => void;
}

function ConsentItem({ consent, mayChange, isSending, onWithdraw }: ItemProps): React.JSX.Element {
  const nameOf = useNames();
  const isActive = consent.status === "active";
  const time = timeOf(consent.dateTime);
  const date = (at: number) => new Date(at).toLocaleDateString();
  return (
    <li>
      <p>
        <b>{isActive ? "In force" : "Not in force any more"}</b>
        {time === undefined ? "" : `, set down ${dayText(time)}`}
      </p>
      <ul>
        {saidIn(consent).map((said, index) => (
          <li key={index}>
            {said.level > 0 ? "But " : ""}
            {said.who.length
              ? said.who.map(nameOf).join(", ")
              : said.level > 0
                ? "everybody"
                : "Everybody"}{" "}
            {saidWords(said, date)}
          </li>
        ))}
      </ul>
      {isActive && mayChange && (
        <Confirm
          label="Take it back"
          meaning="The patient wants it to count no more. Everybody sees again what their role allows."
          yes="Yes, take it back"
          disabled={isSending}
          onYes={onWithdraw}
        />
      )}
    </li>
  );
}

function ConsentForm({
  patient,
  saving,
}: {
  readonly patient: string;
  readonly saving: Saving;
}): React.JSX.Element {
  const { server, clock } = useLive();
  const record = useRecord();
  const nameOf = useNames();
  const form = useRef<HTMLFormElement>(null);
  const [who, setWho] = useState("");
  const [parts, setParts] = useState<readonly string[]>([]);
  const [isAll, setAll] = useState(false);
  const [until, setUntil] = useState("");
  const [problems, setProblems] = useState<{ who?: string; parts?: string }>({});
  const teams = record
    .all("CareTeam")
    .filter((one: CareTeam) => localReference(one.subject?.reference) === patient);
  const members = [
    ...new Set(teams.flatMap((one) => membersOf(one).map((member) => member.reference))),
  ].filter((one) => one !== patient);
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    const wrong = {
      ...(who ? {} : { who: "Say whom it is about." }),
      ...(isAll || parts.length ? {} : { parts: "Say what of the record." }),
    };
    flushSync(() => setProblems(wrong));
    if (Object.keys(wrong).length) return focusFirstProblem(form.current);
    void saving.save(
      () => server.create(denialOf(patient, { who, parts: isAll ? [] : parts, until }, clock.now())),
      "Set down. It counts within a second.",
    );
  };
  return (
    <details>
      <summary>Set something down</summary>
      <form ref={form} className="form" noValidate onSubmit={submit}>
        <Field label="Who may not see it" problem={problems.who}>
          {(wired) => (
            <select {...wired} value={who} onChange={(event) => setWho(event.target.value)}>
              <option value="">Choose…</option>
              {members.map((one) => (
                <option key={one} value={one}>
                  {nameOf(one)}
                </option>
              ))}
              {teams.map((one) => (
                <option key={one.id} value={`CareTeam/${one.id}`}>
                  everybody in {one.name ?? "the care team"}
                </option>
              ))}
            </select>
          )}
        </Field>
        <fieldset>
          <legend>What of the record</legend>
          {problems.parts && (
            <p className="problem" id="consent-parts-problem">
              <span aria-hidden="true">✕ </span>
              {problems.parts}
            </p>
          )}
          <label className="choice">
            <input
              type="checkbox"
              checked={isAll}
              aria-invalid={problems.parts ? true : undefined}
              aria-describedby={problems.parts ? "consent-parts-problem" : undefined}
              onChange={(event) => setAll(event.target.checked)}
            />
            everything (they are called no more)
          </label>
          {PARTS.map((one) => (
            <label key={one.key} className="choice">
              <input
                type="checkbox"
                disabled={isAll}
                checked={isAll || parts.includes(one.key)}
                onChange={(event) =>
                  setParts(
                    event.target.checked ? [...parts, one.key] : parts.filter((key) => key !== one.key),
                  )
                }
              />
              {one.label}
            </label>
          ))}
        </fieldset>
        <Field label="Until" hint="Empty: until it is taken back">
          {(wired) => (
            <input {...wired} type="date" value={until} onChange={(event) => setUntil(event.target.value)} />
          )}
        </Field>
        <p className="quiet">Set this down only as the patient says it, with them.</p>
        <div className="tools">
          <button type="submit" className="main" disabled={saving.step === "sending"}>
            Set it down
          </button>
        </div>
      </form>
    </details>
  );
}
