// Answering an alarm, and closing it: the response codes as buttons.

import { useState } from "react";
import type { Flag, Task } from "../fhir/types";
import { alertOf, answerSentence, type Page } from "../model/alerts";
import { localReference } from "../fhir/read";
import { answerablePages, CLOSING_REASONS, offersFor, openIncidents } from "../model/answers";
import { useLive, useNames, useRecord } from "../view/live";
import { ActionButton, ActionResult, useAction } from "./action";

export function Answer({ patient }: { readonly patient: string }): React.JSX.Element | null {
  const record = useRecord();
  const { person } = useLive();
  const tasks = record.all("Task");
  const incidents = openIncidents(tasks, patient);
  if (incidents.length === 0) return null;
  const pages = answerablePages(tasks, incidents, person);
  const mine = pages.filter((one) => one.owner === person.reference);
  const shown = mine.length ? mine.slice(0, 1) : pages.slice(0, 1);
  return (
    <div className="answer">
      {shown.map((page) => (
        <AnswerPage key={page.id} page={page} isMine={page.owner === person.reference} />
      ))}
      {shown.length === 0 && person.role !== "self" && (
        <p className="quiet">You were not called for this (yet), so there is nothing for you to answer.</p>
      )}
      {person.role === "clinic" && incidents.map((one) => <Close key={one.id} incident={one} />)}
    </div>
  );
}

function AnswerPage({ page, isMine }: { readonly page: Page; readonly isMine: boolean }): React.JSX.Element {
  const { server, record, feed, person } = useLive();
  const nameOf = useNames();
  const action = useAction();
  const answer = async (status: Task["status"]) => {
    const task = record.get(`Task/${page.id}`) as Task;
    feed.take([await server.update({ ...task, status })]);
  };
  return (
    <div role="group" aria-label="Your answer">
      <p>
        {isMine ? "You were called." : `For ${nameOf(page.owner)}, your colleague.`}
        {page.answer !== "none" && ` So far: ${answerSentence(nameOf(page.owner), page.answer)}.`}
      </p>
      <div className="choices">
        {offersFor(person).map((offer) => (
          <ActionButton
            key={offer.status}
            action={action}
            label={offer.label}
            done={offer.done}
            kind={offer.kind}
            onAct={() => answer(offer.status)}
          />
        ))}
      </div>
      <ActionResult action={action} />
    </div>
  );
}

function Close({ incident }: { readonly incident: Task }): React.JSX.Element {
  const { server, record, feed } = useLive();
  const action = useAction();
  const [reason, setReason] = useState("");
  const flag = record.get(localReference(incident.focus?.reference)) as Flag | undefined;
  const close = async () => {
    const task = record.get(`Task/${incident.id}`) as Task;
    feed.take([await server.update({ ...task, status: "completed", statusReason: { text: reason } })]);
  };
  return (
    <details>
      <summary>Close “{flag ? alertOf(flag).label : "this alarm"}”, with a reason</summary>
      <div className="form">
        <label htmlFor={`reason-${incident.id}`}>Why is it over?</label>
        <input
          id={`reason-${incident.id}`}
          list="closing-reasons"
          value={reason}
          onChange={(event) => setReason(event.target.value)}
        />
        <datalist id="closing-reasons">
          {CLOSING_REASONS.map((one) => (
            <option key={one} value={one} />
          ))}
        </datalist>
        <ActionButton
          action={action}
          label="Close it"
          kind="danger"
          disabled={reason.trim().length < 3}
          done="Closed. Nobody is called any more."
          onAct={close}
        />
        <ActionResult action={action} />
      </div>
    </details>
  );
}
