// What happened, as marks on the time axis above the charts. The same stands as text in the timeline below.

import type { Happening } from "../model/timeline";

const SIGNS: Readonly<Record<Happening["kind"], string>> = {
  alert: "▲",
  end: "△",
  told: "◇",
  answer: "✔",
  closed: "■",
};
const WORDS: Readonly<Record<Happening["kind"], string>> = {
  alert: "alert",
  end: "over",
  told: "somebody told",
  answer: "answer",
  closed: "closed",
};

interface Props {
  readonly happened: readonly Happening[];
  readonly from: number;
  readonly until: number;
}

export function EventStrip({ happened, from, until }: Props): React.JSX.Element {
  const shown = happened.filter((one) => one.time >= from && one.time <= until);
  return (
    <div className="events" aria-hidden="true">
      <p className="quiet">
        {Object.entries(SIGNS).map(([kind, sign]) => (
          <span key={kind} className="key">
            <span className={`sign ${kind}`}>{sign}</span> {WORDS[kind as Happening["kind"]]}
          </span>
        ))}
      </p>
      <div className="strip">
        {shown.map((one, index) => (
          <span
            key={`${one.time}-${index}`}
            className={`sign ${one.kind} ${one.priority ?? ""}`}
            style={{ left: `${((one.time - from) / (until - from)) * 100}%` }}
          >
            {SIGNS[one.kind]}
          </span>
        ))}
      </div>
    </div>
  );
}
