// Past treatments: a trend over weeks, and each one's run sheet.

import { useMemo, useState } from "react";
import { quantityOf } from "../fhir/quantities";
import { runSheetsOf, type RunSheet } from "../model/run_sheet";
import type { Columns } from "../model/trace";
import { Trace } from "../ui/trace";
import { ageText } from "../model/freshness";
import { useNow, useRecord } from "./live";
import { dayText } from "./times";

const CHOICES = [
  "systolic",
  "venous",
  "arterial",
  "transmembrane",
  "blood-flow",
  "removal-rate",
  "heart-rate",
] as const;
const DAY = 86_400_000;

export function RunSheets({ patient }: { readonly patient: string }): React.JSX.Element {
  const record = useRecord();
  const reports = record.all("DiagnosticReport");
  const sheets = useMemo(() => runSheetsOf(reports, patient), [reports, patient]);
  return (
    <section aria-labelledby="sheets-title" className="card">
      <h2 id="sheets-title">Past treatments</h2>
      {sheets.length === 0 && (
        <p className="quiet">
          {record.hidden.has("DiagnosticReport")
            ? "Run sheets are not shown to you: the clinic and the patient see them."
            : "A treatment has its run sheet seconds after its end. There is none yet."}
        </p>
      )}
      {sheets.length > 1 && <Weeks sheets={sheets} />}
      {sheets.slice(0, 12).map((sheet) => (
        <details key={sheet.id}>
          <summary>
            {dayText(sheet.start)}
            {sheet.end !== undefined && `, ${ageText(sheet.end - sheet.start)}`}
            {sheet.conclusion && ` · ${sheet.conclusion}`}
          </summary>
          <Sheet sheet={sheet} />
        </details>
      ))}
    </section>
  );
}

function Weeks({ sheets }: { readonly sheets: readonly RunSheet[] }): React.JSX.Element {
  const now = useNow(60_000);
  const [key, setKey] = useState<string>("systolic");
  const [range, setRange] = useState<{ from: number; until: number } | undefined>(undefined);
  const shown = [...sheets].reverse().flatMap((sheet) => {
    const line = sheet.lines.find((one) => one.quantity === key);
    return line ? [{ time: sheet.start, line }] : [];
  });
  const columns: Columns = [
    shown.map((one) => one.time / 1000),
    shown.map((one) => one.line.most),
    shown.map((one) => one.line.mean),
    shown.map((one) => one.line.least),
  ];
  const quantity = quantityOf(key);
  const first = shown[0]?.time ?? now;
  const { from, until } = range ?? { from: Math.min(first, now - 28 * DAY), until: now };
  return (
    <>
      <label>
        Over the weeks:{" "}
        <select value={key} onChange={(event) => setKey(event.target.value)}>
          {CHOICES.map((one) => (
            <option key={one} value={one}>
              {quantityOf(one).label}
            </option>
          ))}
        </select>
      </label>{" "}
      {range && (
        <button type="button" onClick={() => setRange(undefined)}>
          All weeks
        </button>
      )}
      <Trace
        title={quantity.label}
        unit={quantity.unit}
        height={170}
        lines={[
          {
            label: "highest",
            colour: "--trace-2",
            digits: quantity.digits,
            dots: true,
            dash: [5, 3],
          },
          { label: "mean", colour: "--trace", digits: quantity.digits, dots: true },
          {
            label: "lowest",
            colour: "--trace-3",
            digits: quantity.digits,
            dots: true,
            dash: [2, 2],
          },
        ]}
        columns={columns}
        from={from}
        until={until}
        limits={[]}
        spans={[]}
        onZoom={(zoomFrom, zoomUntil) => setRange({ from: zoomFrom, until: zoomUntil })}
      />
    </>
  );
}

function Sheet({ sheet }: { readonly sheet: RunSheet }): React.JSX.Element {
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label={`Run sheet of ${dayText(sheet.start)}`}>
      <table>
        <thead>
          <tr>
            <th scope="col">Measured</th>
            <th scope="col">Lowest</th>
            <th scope="col">Mean</th>
            <th scope="col">Highest</th>
            <th scope="col">Values</th>
          </tr>
        </thead>
        <tbody>
          {sheet.lines.map((line) => (
            <tr key={line.label}>
              <th scope="row">
                {line.label} <span className="quiet">{line.unit}</span>
              </th>
              {[line.least, line.mean, line.most, line.count].map((value, index) => (
                <td key={index} className="number">
                  {value === undefined ? "–" : value}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  );
}
