// Before, during and after a treatment: is monitoring armed, the test page, start and end.

import { HEMODIALYSIS, SNOMED } from "../fhir/systems";
import type { Procedure } from "../fhir/types";
import { ageText, durationText } from "../model/freshness";
import { localReference, timeOf } from "../fhir/read";
import { useLive, useNow, useRecord, useValues } from "../view/live";
import { ARMED_WORDS, REASON_WORDS, type Armed } from "../view/use_armed";
import { ActionButton, ActionResult, useAction } from "./action";

interface Props {
  readonly patient: string;
  readonly armed: Armed | undefined;
}

export function Treatment({ patient, armed }: Props): React.JSX.Element {
  const { server, feed, person, clock } = useLive();
  const record = useRecord();
  useValues(patient);
  const now = useNow();
  const action = useAction();
  const running = record
    .all("Procedure")
    .find((one) => one.status === "in-progress" && localReference(one.subject?.reference) === patient);
  const start = timeOf(running?.performedPeriod?.start);
  const left = record.values(patient, "time-left");
  const isKnown = left?.lastTime !== undefined && now - left.lastTime < 60_000;

  const begin = async () => {
    const made = await server.create<Procedure>({
      resourceType: "Procedure",
      status: "in-progress",
      code: { coding: [{ system: SNOMED, code: HEMODIALYSIS, display: "Hemodialysis" }] },
      subject: { reference: patient },
      performedPeriod: { start: new Date(clock.now()).toISOString() },
    });
    feed.take([made]);
  };
  const end = async () => {
    const procedure = record.get(`Procedure/${running?.id}`) as Procedure;
    const performedPeriod = { ...procedure.performedPeriod, end: new Date(clock.now()).toISOString() };
    feed.take([await server.update<Procedure>({ ...procedure, status: "completed", performedPeriod })]);
  };

  return (
    <section aria-labelledby="treatment-title" className="card">
      <h2 id="treatment-title">Treatment</h2>
      <dl className="facts">
        <dt>Now</dt>
        <dd>
          {running
            ? `On treatment${start === undefined ? "" : ` for ${ageText(now - start)}`}`
            : "Not on treatment"}
        </dd>
        {running && (
          <>
            <dt>Time left</dt>
            <dd>{isKnown && left?.lastValue !== undefined ? durationText(left.lastValue) : "not known"}</dd>
          </>
        )}
        <dt>Monitoring</dt>
        <dd className={`armed ${armed?.state ?? ""}`}>
          {armed ? (
            <>
              <span aria-hidden="true">{armed.state === "armed" ? "✓ " : "! "}</span>
              {ARMED_WORDS[armed.state] ?? armed.state}
              {armed.reason && `: ${REASON_WORDS[armed.reason] ?? armed.reason}`}
            </>
          ) : (
            "not known"
          )}
        </dd>
      </dl>
      <div className="choices">
        {armed?.state !== "armed" && (
          <ActionButton
            action={action}
            kind="main"
            label="Send a test page"
            done="A test page is on its way. Monitoring is armed when somebody near answers it."
            onAct={() => server.operate(`${patient}/$test-page`)}
          />
        )}
        {person.role === "clinic" &&
          (running ? (
            <ActionButton
              action={action}
              label="End the treatment"
              done="The treatment is recorded as ended."
              onAct={end}
            />
          ) : (
            <ActionButton
              action={action}
              label="Start a treatment"
              done="The treatment is recorded as started."
              onAct={begin}
            />
          ))}
      </div>
      {person.role === "clinic" && !running && (
        <p className="quiet">A machine that is bound to the patient starts its treatment by itself.</p>
      )}
      <ActionResult action={action} />
    </section>
  );
}
