// Whether alarms would reach this screen: always visible, and a local alarm when they would not.

import type { Connection } from "../live/connection";
import { useFeedState } from "./live";

const WORDS: Readonly<Record<Connection, string>> = {
  starting: "Connecting…",
  live: "Live",
  late: "Late",
  lost: "Not connected",
};

export function ConnectionState(): React.JSX.Element {
  const { connection } = useFeedState();
  return (
    <span className={`connection ${connection}`} role="status" data-connection={connection}>
      <span aria-hidden="true">{connection === "live" ? "●" : connection === "lost" ? "✕" : "○"}</span>{" "}
      {WORDS[connection]}
    </span>
  );
}

export function LocalAlarm(): React.JSX.Element | null {
  const { connection, problem } = useFeedState();
  if (connection !== "lost") {
    return problem ? (
      <p className="notice" role="status">
        {problem}
      </p>
    ) : null;
  }
  return (
    <div className="lost" role="alert">
      <strong>This screen hears no alarms.</strong> The server has not been heard for 30 seconds. What stands
      below is old. Look after the patients in another way, and check the network. {problem}
    </div>
  );
}
