// One alert: why it rang, what happened, who was told, and the evidence to keep.

import { Answer } from "../act/answer";
import { ActionButton, ActionResult, useAction } from "../act/action";
import type { Flag } from "../fhir/types";
import { alertOf, PRIORITY_WORDS } from "../model/alerts";
import { ageText } from "../model/freshness";
import { whyOf } from "../model/why";
import { useFeedState, useLive, useNames, useNow, useRecord } from "./live";
import { dayText, clockText } from "./times";
import { useLoaded } from "./use_loaded";

interface Props {
  readonly patient: string;
  readonly flag: string;
}

export function AlertView({ patient, flag }: Props): React.JSX.Element {
  const { server, feed } = useLive();
  const { turn, isLoaded } = useFeedState();
  const record = useRecord();
  const nameOf = useNames();
  const now = useNow();
  const known = record.get(`Flag/${flag}`) as Flag | undefined;
  const version = known?.meta?.versionId;
  const loaded = useLoaded(async () => {
    if (!isLoaded) return undefined;
    const [resource, answer] = await Promise.all([
      server.read<Flag>(`Flag/${flag}`),
      server.ask(`Flag/${flag}/$why`),
    ]);
    feed.take([resource]);
    return whyOf(answer);
  }, [server, flag, version, turn, isLoaded]);
  const alert = known && alertOf(known);
  const why = loaded.value;
  const back = `#/patient/${patient.replace("Patient/", "")}`;
  return (
    <section aria-labelledby="title" className="alert-view">
      <div className="heading">
        <h1 id="title">{alert ? `${alert.label}: why?` : "Why did it ring?"}</h1>
        <a href={back}>{nameOf(patient)}</a>
      </div>
      {loaded.problem && (
        <p role="alert" className="problem">
          {loaded.problem} <button onClick={loaded.again}>Try again</button>
        </p>
      )}
      {alert && (
        <p className={`state ${alert.priority}`}>
          <b>{PRIORITY_WORDS[alert.priority]}.</b> Since {dayText(alert.start)}
          {alert.end === undefined
            ? `, for ${ageText(now - alert.start)}, still open.`
            : `, over since ${dayText(alert.end)}.`}
          {alert.isTest && " This is test data."}
        </p>
      )}
      {alert?.isActive && (
        <div className={`card urgent ${alert.priority}`}>
          <Answer patient={patient} />
        </div>
      )}
      {!why && !loaded.problem && <p role="status">Loading…</p>}
      {why && (
        <>
          <section className="card" aria-labelledby="because-title">
            <h2 id="because-title">What was seen</h2>
            <dl className="facts">
              {why.facts.map((fact) => (
                <div key={fact.label} className="fact">
                  <dt>{fact.label}</dt>
                  <dd>{fact.label === "Measured" ? dayText(Date.parse(fact.value)) : fact.value}</dd>
                </div>
              ))}
            </dl>
            {why.incident.length > 0 && (
              <p>
                Rang together with{" "}
                {why.incident.map((id, index) => (
                  <span key={id}>
                    {index > 0 && ", "}
                    <a href={`${back}/alert/${id}`}>
                      {labelOf(record.get(`Flag/${id}`) as Flag | undefined)}
                    </a>
                  </span>
                ))}
                .
              </p>
            )}
          </section>
          <section className="card" aria-labelledby="steps-title">
            <h2 id="steps-title">What happened</h2>
            <ol className="timeline">
              {why.steps.map((step, index) => (
                <li key={index}>
                  <time dateTime={new Date(step.time).toISOString()}>{clockText(step.time)}</time> {step.text}
                  {step.by && ` (${nameOf(step.by)})`}
                </li>
              ))}
            </ol>
          </section>
          <section className="card" aria-labelledby="told-title">
            <h2 id="told-title">Who was told</h2>
            <ul className="plain">
              {why.told.map((one, index) => (
                <li key={index}>
                  <b>{nameOf(one.who)}</b>{" "}
                  {one.times > 0 && `told ${one.times === 1 ? "once" : `${one.times} times`}`}
                  {one.place && <span className="quiet"> · {one.place}</span>}
                </li>
              ))}
            </ul>
          </section>
          <Evidence flag={flag} />
        </>
      )}
    </section>
  );
}

function Evidence({ flag }: { readonly flag: string }): React.JSX.Element {
  const { server } = useLive();
  const action = useAction();
  const download = async () => {
    const bundle = await server.ask(`Flag/${flag}/$evidence`);
    const url = URL.createObjectURL(
      new Blob([JSON.stringify(bundle, null, 1)], { type: "application/fhir+json" }),
    );
    const link = document.createElement("a");
    link.href = url;
    link.download = `evidence-${flag}.json`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(url), 10_000);
  };
  return (
    <section className="card" aria-labelledby="evidence-title">
      <h2 id="evidence-title">Evidence</h2>
      <p>
        The whole incident as one signed document. It holds health data: keep it where such data may be kept.
      </p>
      <ActionButton action={action} label="Download the evidence" done="Downloaded." onAct={download} />
      <ActionResult action={action} />
    </section>
  );
}

function labelOf(flag: Flag | undefined): string {
  return flag ? alertOf(flag).label.toLowerCase() : "another alert";
}
