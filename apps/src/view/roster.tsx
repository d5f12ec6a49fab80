// The list: who is on treatment, who is in danger, who comes. The most urgent stands first.

import { useCallback, useEffect, useMemo, useState } from "react";
import { loadNewest } from "../live/history";
import type { Row } from "../model/roster";
import { useFeedState, useLive, useNow } from "./live";
import { RosterRow, ROSTER_QUANTITIES } from "./roster_row";
import { useRows } from "./rows";
import { useArmed } from "./use_armed";
import { useWindow } from "./use_window";

/** How long a row is looked at before its values are asked for: nobody reads while scrolling. */
const SETTLED_MS = 500;
const FIRST_VALUES = { systolic: 12, venous: 120, "blood-flow": 1, "time-left": 1 } as const;

export function RosterView(): React.JSX.Element {
  const { person, record } = useLive();
  const { isLoaded } = useFeedState();
  const rows = useRows();
  const [onlyTreated, setOnlyTreated] = useState(false);
  const shown = useMemo(
    () => (onlyTreated ? rows.filter((row) => row.treatment ?? row.top) : rows),
    [rows, onlyTreated],
  );
  const { container, from, until, above, below } = useWindow(shown.length);
  const visible = shown.slice(from, until);
  useShownValues(visible);
  const armed = useArmed(visible.map((row) => row.patient));
  const now = useNow();
  const treated = rows.filter((row) => row.treatment).length;
  const urgent = rows.filter((row) => row.top?.priority === "PH").length;
  const soon = rows.filter((row) => row.top?.priority === "PM").length;

  return (
    <section aria-labelledby="title" className="roster">
      <div className="heading">
        <h1 id="title">{person.role === "clinic" ? "Patients at home" : "People you look after"}</h1>
        <p className="summary">
          <b>{urgent}</b> to go now · <b>{soon}</b> to check ·{" "}
          {!record.hidden.has("Procedure") && (
            <>
              <b>{treated}</b> on treatment ·{" "}
            </>
          )}
          {rows.length} in all
        </p>
        <label>
          <input
            type="checkbox"
            checked={onlyTreated}
            onChange={(event) => setOnlyTreated(event.target.checked)}
          />{" "}
          Only on treatment or with an alert
        </label>
      </div>
      {!isLoaded && <p role="status">Loading…</p>}
      {isLoaded && shown.length === 0 && (
        <p>Nobody is shown here. You see patients of the care teams that you belong to.</p>
      )}
      <ul
        ref={container}
        className="rows"
        style={{ paddingTop: above, paddingBottom: below }}
        aria-label="Patients"
      >
        {visible.map((row, index) => (
          <RosterRow
            key={row.patient}
            row={row}
            now={now}
            armed={armed.get(row.patient)}
            position={from + index + 1}
            size={shown.length}
          />
        ))}
      </ul>
    </section>
  );
}

/** Values of the rows on the screen: the last ones now, the next as they come. */
function useShownValues(visible: readonly Row[]): void {
  const { server, feed, record } = useLive();
  const { isLoaded, turn } = useFeedState();
  const key = visible
    .map((row) => row.patient)
    .sort()
    .join();
  const load = useCallback(
    async (patients: readonly string[]) => {
      await feed.watchValues(patients, ROSTER_QUANTITIES);
      const unknown = patients.filter(
        (one) => !record.values(one, "venous") && !record.values(one, "systolic"),
      );
      feed.take(await loadNewest(server, unknown, FIRST_VALUES));
    },
    [server, feed, record],
  );
  useEffect(() => {
    if (!isLoaded || !key) return;
    const timer = setTimeout(() => {
      // Values that do not come are seen as such: each says since when there are none.
      load(key.split(",")).catch(() => undefined);
    }, SETTLED_MS);
    return () => clearTimeout(timer);
  }, [isLoaded, turn, key, load]);
}
