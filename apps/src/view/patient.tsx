// One patient: what is wrong, who comes, what was measured, what can be done.

import { Answer } from "../act/answer";
import { CheckIn } from "../act/check_in";
import { Treatment } from "../act/treatment";
import { AlertList } from "./alert_list";
import { Devices } from "./devices";
import { useFeedState, useLive, useNames, useNow } from "./live";
import { useRows } from "./rows";
import { RunSheets } from "./run_sheets";
import { Tiles } from "./tiles";
import { Timeline } from "./timeline";
import { Traces } from "./traces";
import { useArmed } from "./use_armed";
import { NO_RULES, useOpenChart, usePast, useRules } from "./use_patient_data";

export function PatientView({ patient }: { readonly patient: string }): React.JSX.Element {
  const { person } = useLive();
  const { isLoaded, viewers } = useFeedState();
  const nameOf = useNames();
  const row = useRows().find((one) => one.patient === patient);
  const now = useNow();
  useOpenChart(patient);
  const past = usePast(patient);
  const rules = useRules(patient);
  const armed = useArmed([patient]).get(patient);

  if (!row) {
    return isLoaded ? (
      <p role="alert">There is no such patient, or not for you to see. Go back to the list.</p>
    ) : (
      <p role="status">Loading…</p>
    );
  }
  return (
    <section aria-labelledby="title" className="patient">
      <div className="heading">
        <h1 id="title">{row.name}</h1>
        {person.role === "clinic" && viewers.length > 0 && (
          <p className="viewers">Also looking: {viewers.map((one) => nameOf(one)).join(", ")}</p>
        )}
        {person.role !== "self" && <a href="#/">All patients</a>}
        <a href={`#/patient/${patient.replace("Patient/", "")}/arrange`}>Arrange</a>
      </div>
      {past.problem && <p className="notice">Not everything of the past is here: {past.problem}</p>}
      {rules.problem && <p className="notice">Limits are not shown: {rules.problem}</p>}
      <section aria-labelledby="alerts-title" className={`card urgent ${row.top?.priority ?? ""}`}>
        <h2 id="alerts-title">{row.top ? "Alerts" : "No alert is open"}</h2>
        {row.top && <AlertList row={row} now={now} />}
        <Answer patient={patient} />
      </section>
      <Tiles patient={patient} rules={rules.value ?? NO_RULES} now={now} />
      <div className="columns">
        <Traces patient={patient} rules={rules.value ?? NO_RULES} now={now} />
        <div>
          <Treatment patient={patient} armed={armed} />
          <CheckIn patient={patient} />
          <Devices patient={patient} now={now} />
          <section aria-labelledby="timeline-title" className="card">
            <h2 id="timeline-title">What happened</h2>
            <Timeline patient={patient} most={25} />
          </section>
        </div>
      </div>
      <RunSheets patient={patient} />
    </section>
  );
}
