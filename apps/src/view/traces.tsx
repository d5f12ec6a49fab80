// The charts of a patient: pressures, flows, blood pressure, heart rate, on one time axis with what happened.

import { useEffect, useMemo, useState } from "react";
import { quantityOf } from "../fhir/quantities";
import { loadStretch } from "../live/history";
import { alertOf, type Priority } from "../model/alerts";
import { drawnLimits, type Rules } from "../model/limits";
import { columnsOf } from "../model/trace";
import { timelineOf } from "../model/timeline";
import { Trace, type Limitation, type Span } from "../ui/trace";
import { EventStrip } from "./event_strip";
import { useLive, useRecord, useValues } from "./live";

const MINUTE = 60_000;
const SPANS = [
  ["10 min", 10 * MINUTE],
  ["1 h", 60 * MINUTE],
  ["Session", 5 * 60 * MINUTE],
  ["24 h", 24 * 60 * MINUTE],
] as const;
const STEPS = 500;
/** So many moments are asked for where the past was not seen live. */
const POINTS = 120;

interface Panel {
  readonly title: string;
  readonly unit: string;
  readonly keys: readonly string[];
  readonly height: number;
}

const PANELS: readonly Panel[] = [
  { title: "Blood pressure", unit: "mmHg", keys: ["systolic", "diastolic"], height: 150 },
  {
    title: "Pressures of the machine",
    unit: "mmHg",
    keys: ["venous", "arterial", "transmembrane"],
    height: 190,
  },
  { title: "Flows", unit: "mL/min", keys: ["blood-flow", "dialysate-flow"], height: 130 },
  { title: "Fluid removal rate", unit: "mL/h", keys: ["removal-rate"], height: 110 },
  { title: "Heart rate", unit: "/min", keys: ["heart-rate"], height: 110 },
];
const COLOURS = ["--trace", "--trace-2", "--trace-3"] as const;
const DASHES = [undefined, [5, 3], [2, 2]] as const;
const PRIORITY_COLOUR: Readonly<Record<Priority, string>> = { PH: "--now", PM: "--soon", PL: "--silent" };

interface Props {
  readonly patient: string;
  readonly rules: Rules;
  readonly now: number;
}

interface Range {
  readonly from: number;
  readonly until: number;
}

export function Traces({ patient, rules, now }: Props): React.JSX.Element {
  const { server, feed } = useLive();
  const record = useRecord();
  useValues(patient);
  const [span, setSpan] = useState<number>(SPANS[0][1]);
  const [fixed, setFixed] = useState<Range | undefined>(undefined);
  const range: Range = fixed ?? { from: now - span, until: now };

  // The past as far as it is looked at, thinned: loaded once for each length.
  useEffect(() => {
    const until = fixed?.until ?? now;
    const from = fixed?.from ?? now - span;
    const first = record.values(patient, "venous");
    if (first && first.length && first.timeAt(0) <= from) return;
    const keys = PANELS.flatMap((panel) => panel.keys).filter(
      (key) => quantityOf(key).group !== "blood pressure",
    );
    loadStretch(server, patient, keys, from, until, POINTS).then(
      (found) => feed.take(found),
      // Empty charts say for themselves that nothing came.
      () => undefined,
    );
  }, [server, feed, record, patient, span, fixed]);

  const flags = record.all("Flag");
  const tasks = record.all("Task");
  const happened = useMemo(() => timelineOf(flags, tasks, patient), [flags, tasks, patient]);
  const spans = useMemo(
    () =>
      flags
        .map(alertOf)
        .filter((one) => one.patient === patient && one.priority !== "PL")
        .map((one): Span => ({
          from: one.start,
          until: one.end ?? Infinity,
          colour: PRIORITY_COLOUR[one.priority],
        })),
    [flags, patient],
  ).map((one) => ({ ...one, until: Math.min(one.until, now) }));

  return (
    <section aria-labelledby="traces-title" className="card">
      <div className="heading">
        <h2 id="traces-title">Traces</h2>
        <div role="group" aria-label="How long" className="choices">
          {SPANS.map(([words, length]) => (
            <button
              key={words}
              type="button"
              aria-pressed={!fixed && span === length}
              onClick={() => {
                setFixed(undefined);
                setSpan(length);
              }}
            >
              {words}
            </button>
          ))}
          {fixed && (
            <button type="button" className="main" onClick={() => setFixed(undefined)}>
              Back to now
            </button>
          )}
        </div>
      </div>
      <EventStrip happened={happened} from={range.from} until={range.until} />
      {PANELS.map((panel) => (
        <Trace
          key={panel.title}
          title={panel.title}
          unit={panel.unit}
          height={panel.height}
          lines={panel.keys.map((key, index) => ({
            label: quantityOf(key).label,
            colour: COLOURS[index] ?? COLOURS[0],
            digits: quantityOf(key).digits,
            dots: quantityOf(key).group === "blood pressure",
            ...(DASHES[index] ? { dash: DASHES[index] } : {}),
          }))}
          columns={columnsOf(
            panel.keys.map((key) => record.values(patient, key)),
            range.from,
            range.until,
            STEPS,
          )}
          from={range.from}
          until={range.until}
          limits={limitsOf(panel.keys, rules)}
          spans={spans}
          onZoom={(from, until) => setFixed({ from, until })}
        />
      ))}
      <p className="quiet">
        Dashed lines are the limits in force, full lines the floors behind them, each in the colour of its
        line. Drag over a chart to look closer. What was measured before this page was opened is shown at{" "}
        {POINTS} moments.
      </p>
    </section>
  );
}

function limitsOf(keys: readonly string[], rules: Rules): Limitation[] {
  return keys.flatMap((key, index) =>
    drawnLimits(rules, key).map((limit) => ({
      value: limit.value,
      colour: COLOURS[index] ?? COLOURS[0],
      isFloor: limit.isFloor,
      label:
        `${quantityOf(key).short} ${limit.side === "low" ? "at least" : "at most"} ${limit.value}` +
        (limit.isFloor ? " (floor)" : limit.source?.includes("ServiceRequest") ? ", own limit" : ""),
    })),
  );
}
