// One patient in the list. Height is fixed by the style sheet; colour never says anything alone.

import { memo } from "react";
import { quantityOf } from "../fhir/quantities";
import type { LiveRecord } from "../live/record";
import { answerSentence, PRIORITY_WORDS } from "../model/alerts";
import { ageText, durationText, freshnessOf } from "../model/freshness";
import type { Row } from "../model/roster";
import { Spark } from "../ui/spark";
import { useNames, useValues } from "./live";
import { ARMED_WORDS, type Armed } from "./use_armed";

/** What the list shows of each patient. */
export const ROSTER_QUANTITIES = ["systolic", "venous", "blood-flow", "time-left"] as const;

const MINUTE = 60_000;

interface Props {
  readonly row: Row;
  readonly now: number;
  readonly armed: Armed | undefined;
  readonly position: number;
  readonly size: number;
}

export const RosterRow = memo(function RosterRow({
  row,
  now,
  armed,
  position,
  size,
}: Props): React.JSX.Element {
  const record = useValues(row.patient);
  const nameOf = useNames();
  const state = stateOf(row, record, now);
  return (
    <li className={`row ${state.kind}`} aria-posinset={position} aria-setsize={size}>
      <a href={`#/patient/${row.patient.replace("Patient/", "")}`} className="who">
        <span className="name">{row.name}</span>
        <span className="state">
          <StateIcon kind={state.kind} /> {state.words}
        </span>
      </a>
      <span className="what">
        {row.top ? (
          <>
            {row.top.label}
            {row.alerts.length > 1 && ` and ${row.alerts.length - 1} more`}
            <br />
            <span className="quiet">for {ageText(now - row.top.start)}</span>
          </>
        ) : (
          <span className="quiet">{row.treatment ? "no alert" : ""}</span>
        )}
      </span>
      <span className="help">
        {row.top && (row.help ? answerSentence(nameOf(row.help.owner), row.help.answer) : "nobody told yet")}
      </span>
      <Value
        record={record}
        patient={row.patient}
        keys={["systolic", "diastolic"]}
        now={now}
        span={120 * MINUTE}
      />
      <Value record={record} patient={row.patient} keys={["venous"]} now={now} span={5 * MINUTE} />
      <TimeLeft record={record} row={row} now={now} />
      <span className={`armed ${armed?.state ?? ""}`}>
        {armed ? (
          <>
            <span aria-hidden="true">{armed.state === "armed" ? "✓" : "!"}</span>{" "}
            {ARMED_WORDS[armed.state] ?? armed.state}
          </>
        ) : (
          <span className="quiet">…</span>
        )}
      </span>
    </li>
  );
});

type Kind = "now" | "soon" | "silent" | "treated" | "off";

function stateOf(row: Row, record: LiveRecord, now: number): { kind: Kind; words: string } {
  if (row.top?.priority === "PH") return { kind: "now", words: PRIORITY_WORDS.PH };
  if (row.top?.priority === "PM") return { kind: "soon", words: PRIORITY_WORDS.PM };
  const last = record.values(row.patient, "venous")?.lastTime;
  const freshness = freshnessOf(last, now, quantityOf("venous").interval);
  if (!row.treatment) {
    if (freshness === "fresh") return { kind: "treated", words: "The machine measures" };
    // Who may not see treatments is not told that there is none.
    return {
      kind: "off",
      words: record.hidden.has("Procedure") ? "No data of the machine now" : "Not on treatment",
    };
  }
  if (freshness === "fresh") return { kind: "treated", words: "On treatment" };
  if (last === undefined) return { kind: "silent", words: "On treatment, no data" };
  return { kind: "silent", words: `No data for ${ageText(now - last)}` };
}

const ICONS: Readonly<Record<Kind, string>> = { now: "▲", soon: "◆", silent: "?", treated: "●", off: "○" };

function StateIcon({ kind }: { readonly kind: Kind }): React.JSX.Element {
  return (
    <span aria-hidden="true" className="icon">
      {ICONS[kind]}
    </span>
  );
}

interface ValueProps {
  readonly record: LiveRecord;
  readonly patient: string;
  readonly keys: readonly string[];
  readonly now: number;
  readonly span: number;
}

function Value({ record, patient, keys, now, span }: ValueProps): React.JSX.Element {
  const first = quantityOf(keys[0] ?? "");
  const series = record.values(patient, first.key);
  const freshness = freshnessOf(series?.lastTime, now, first.interval);
  const numbers = keys
    .map((key) => record.values(patient, key)?.lastValue?.toFixed(first.digits) ?? "–")
    .join("/");
  const label = keys.length > 1 ? "BP" : first.short;
  return (
    <span className={`value ${freshness}`}>
      <span className="label" title={first.label}>
        {label}
      </span>
      {freshness === "none" ? (
        <span className="quiet">no data</span>
      ) : (
        <>
          <span className="number">{numbers}</span>
          <span className="age">
            {freshness === "stale" ? `old: ${ageText(now - (series?.lastTime ?? now))}` : first.unit}
          </span>
        </>
      )}
      <Spark series={series} now={now} span={span} width={72} />
    </span>
  );
}

function TimeLeft({ record, row, now }: { record: LiveRecord; row: Row; now: number }): React.JSX.Element {
  const series = record.values(row.patient, "time-left");
  const isFresh = freshnessOf(series?.lastTime, now, quantityOf("time-left").interval) === "fresh";
  const left = series?.lastValue;
  return (
    <span className="left">
      {row.treatment && (
        <>
          <span className="label">Left</span>{" "}
          {isFresh && left !== undefined ? durationText(left) : "not known"}
        </>
      )}
    </span>
  );
}
