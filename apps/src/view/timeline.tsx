// What happened, as a list to read: the same as the marks above the charts.

import { useMemo } from "react";
import { timelineOf, type Happening } from "../model/timeline";
import { useNames, useRecord } from "./live";
import { clockText } from "./times";

interface Props {
  readonly patient: string;
  /** Only what is about one of these Flags; all without. */
  readonly flags?: ReadonlySet<string>;
  readonly most?: number;
}

export function Timeline({ patient, flags, most = 60 }: Props): React.JSX.Element {
  const record = useRecord();
  const nameOf = useNames();
  const [allFlags, tasks] = [record.all("Flag"), record.all("Task")];
  const happened = useMemo(() => timelineOf(allFlags, tasks, patient), [allFlags, tasks, patient]);
  const shown = happened
    .filter((one) => !flags || (one.flag !== undefined && flags.has(one.flag)))
    .slice(0, most);
  if (shown.length === 0) return <p className="quiet">Nothing has happened that is on record.</p>;
  return (
    <ol className="timeline">
      {shown.map((one, index) => (
        <li key={`${one.time}-${index}`} className={`${one.kind} ${one.priority ?? ""}`}>
          <time dateTime={new Date(one.time).toISOString()}>{clockText(one.time)}</time>{" "}
          <Text one={one} nameOf={nameOf} />
          {one.kind === "alert" && one.flag && (
            <>
              {" "}
              <a href={`#/patient/${patient.replace("Patient/", "")}/alert/${one.flag}`}>
                Why
                <span className="hidden">
                  {" "}
                  did {one.text} ring at {clockText(one.time)}
                </span>
                ?
              </a>
            </>
          )}
        </li>
      ))}
    </ol>
  );
}

function Text({
  one,
  nameOf,
}: {
  one: Happening;
  nameOf: (reference: string | undefined) => string;
}): React.JSX.Element {
  const name = nameOf(one.who);
  return (
    <>
      {one.text
        .replace("{who}", name.charAt(0).toUpperCase() + name.slice(1))
        .replace(/^You is/, "You are")
        .replace(/^You has/, "You have")}
    </>
  );
}
