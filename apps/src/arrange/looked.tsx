// "Who looked at my record": the audit of one patient, in plain words, the newest first.

import { useState } from "react";
import { Refused } from "../fhir/refused";
import type { AuditEvent } from "../fhir/types";
import { looksOf, type Look } from "../model/audit_words";
import { useLive, useNames } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import type { SectionProps } from "./index";
import { StateOf } from "./state_of";

const PAGE = 200;

type Whom = "others" | "people" | "everybody";

export function LookedSection({ patient }: SectionProps): React.JSX.Element {
  const { server, feed, person } = useLive();
  const nameOf = useNames();
  const [until, setUntil] = useState<string | undefined>(undefined);
  const [whom, setWhom] = useState<Whom>("others");
  const loaded = useLoaded(async () => {
    const bundle = await server
      .search("AuditEvent", {
        patient,
        _sort: "-date",
        _count: String(PAGE),
        ...(until ? { date: `le${until}` } : {}),
      })
      .catch((error: unknown) => {
        throw error instanceof Refused && error.status === 403 ? new Refused(403, NOT_YOURS) : error;
      });
    const events = (bundle.entry ?? []).flatMap(({ resource }) =>
      resource?.resourceType === "AuditEvent" ? [resource as AuditEvent] : [],
    );
    const looks = looksOf(events);
    const people = [...new Set(looks.flatMap((one) => one.who ?? []))];
    // Names are kind, not needed: without them the list stands all the same.
    await server.askAll(people).then(
      (found) => feed.take(found.filter((one) => one !== undefined)),
      () => undefined,
    );
    return { looks, last: events.at(-1)?.recorded, isMore: events.length === PAGE };
  }, [server, feed, patient, until]);
  const shown = loaded.value?.looks.filter((one) => isShown(one, whom, person.reference)) ?? [];
  const name = (one: Look) =>
    one.who ? capital(nameOf(one.who)) : `A program${one.whoElse ? ` (${one.whoElse})` : ""}`;
  return (
    <section className="card" aria-labelledby="looked">
      <h2 id="looked">{person.role === "self" ? "Who looked at my record" : "Who looked at this record"}</h2>
      <p className="quiet">
        Everything that anybody did with this record is written down, and nobody can change it, administrators
        neither. If something here surprises you, ask the clinic.
      </p>
      <label htmlFor="looked-whom">Show</label>{" "}
      <select id="looked-whom" value={whom} onChange={(event) => setWhom(event.target.value as Whom)}>
        <option value="others">people other than me</option>
        <option value="people">all people</option>
        <option value="everybody">people and programs</option>
      </select>
      <StateOf of={loaded} what="the list" />
      {loaded.value && shown.length === 0 && <p>Nobody, in the part of the list that is loaded.</p>}
      <ol className="items" aria-label="Newest first">
        {shown.map((one) => (
          <li key={one.id}>
            <p>
              <b>{name(one)}</b> {one.what}
              {one.times > 1 ? `, ${one.times} times` : ""}
            </p>
            <p className="quiet">
              {one.times > 1 ? `${dayText(one.first)} to ${dayText(one.time)}` : dayText(one.time)}
            </p>
            {one.isEmergency && (
              <p className="problem">In an emergency, beyond the usual rights: somebody reviews this.</p>
            )}
            {one.isRefused && <p className="problem">Refused: nothing was shown or changed.</p>}
          </li>
        ))}
      </ol>
      <div className="tools">
        {until && (
          <button type="button" onClick={() => setUntil(undefined)}>
            Back to the newest
          </button>
        )}
        {loaded.value?.isMore && (
          <button type="button" disabled={loaded.isLoading} onClick={() => setUntil(loaded.value?.last)}>
            Show older
          </button>
        )}
      </div>
    </section>
  );
}

const NOT_YOURS =
  "Who looked at a record is shown to the patient, to a guardian, and to nurses and doctors who treat them.";

function isShown(look: Look, whom: Whom, self: string): boolean {
  if (whom === "everybody") return true;
  return look.who !== undefined && (whom === "people" || look.who !== self);
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
