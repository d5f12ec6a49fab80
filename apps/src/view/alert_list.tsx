// Open alerts of a patient, the most urgent first, and who was told.

import { answerSentence, PRIORITY_WORDS, toldPeople } from "../model/alerts";
import { ageText } from "../model/freshness";
import type { Row } from "../model/roster";
import { useNames } from "./live";
import { clockText } from "./times";

export function AlertList({ row, now }: { readonly row: Row; readonly now: number }): React.JSX.Element {
  const nameOf = useNames();
  const told = toldPeople(row.pages);
  if (row.alerts.length === 0) return <p className="quiet">No alert is open.</p>;
  return (
    <>
      <ul className="alerts">
        {row.alerts.map((alert) => (
          <li key={alert.id} className={alert.priority}>
            <b>
              <span aria-hidden="true">
                {alert.priority === "PH" ? "▲" : alert.priority === "PM" ? "◆" : "·"}
              </span>{" "}
              {PRIORITY_WORDS[alert.priority]}:
            </b>{" "}
            {alert.label} <span className="quiet">for {ageText(now - alert.start)}</span>
            {alert.presence === "absent" && (
              <span className="quiet"> · what caused it is over, somebody has to look</span>
            )}{" "}
            <a href={`#/patient/${row.patient.replace("Patient/", "")}/alert/${alert.id}`}>
              Why<span className="hidden"> did {alert.label} ring</span>?
            </a>
          </li>
        ))}
      </ul>
      {told.length > 0 && (
        <ul className="told" aria-label="Who was told">
          {told.map((page) => (
            <li key={page.id} className={page.answer}>
              <b>{answerSentence(nameOf(page.owner), page.answer)}</b>{" "}
              <span className="quiet">{clockText(page.changed)}</span>
            </li>
          ))}
        </ul>
      )}
    </>
  );
}
