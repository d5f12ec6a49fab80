// The sound of this screen: unlocked by a person, made for high priority and for a lost connection, silenced here alone.

import { useEffect, useState, useSyncExternalStore } from "react";
import { ringingAlerts, SILENCE_MS, soundAt, type Silenced } from "../model/sounding";
import { useFeedState, useLive, useNow } from "./live";
import { useRows } from "./rows";

function useUnlocked(): boolean {
  const { siren } = useLive();
  return useSyncExternalStore(siren.subscribe, () => siren.isUnlocked);
}

export function SoundButton(): React.JSX.Element {
  const { siren } = useLive();
  const isUnlocked = useUnlocked();
  return (
    <button type="button" className={isUnlocked ? "" : "wanted"} onClick={() => void siren.unlock()}>
      {isUnlocked ? "Sound on" : "Turn sound on"}
    </button>
  );
}

export function SoundKeeper(): React.JSX.Element | null {
  const { siren } = useLive();
  const { connection } = useFeedState();
  const rows = useRows();
  const now = useNow();
  const [silenced, setSilenced] = useState<Silenced | undefined>(undefined);
  const sound = soundAt(connection, rows, silenced, now);
  useEffect(() => siren.set(sound), [siren, sound]);
  const ringing = rows.filter((row) => row.top?.priority === "PH" && row.help?.answer !== "there");
  const silence = () => setSilenced({ until: now + SILENCE_MS, alerts: new Set(ringingAlerts(rows)) });
  return (
    <>
      <p className="hidden" role="alert">
        {ringing.map((row) => `Go now: ${row.name}, ${row.top?.label}.`).join(" ")}
      </p>
      {sound && (
        <div className="sounding">
          <button type="button" onClick={silence}>
            Silence this screen for 2 minutes
          </button>
          <span className="quiet"> Only here: people are called all the same.</span>
        </div>
      )}
    </>
  );
}
