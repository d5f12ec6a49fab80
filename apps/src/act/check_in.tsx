// Somebody says how the patient is. "Not well" calls the people around the patient; "OK" ends nothing a machine has raised.

import { useState } from "react";
import { useLive } from "../view/live";
import { ActionButton, ActionResult, useAction } from "./action";

export function CheckIn({ patient }: { readonly patient: string }): React.JSX.Element {
  const { server, person } = useLive();
  const action = useAction();
  const [note, setNote] = useState("");
  const isSelf = person.role === "self";
  const say = async (code: "ok" | "not-well") => {
    await server.operate(`${patient}/$check-in`, {
      resourceType: "Parameters",
      parameter: [
        { name: "code", valueCode: code },
        ...(note.trim() ? [{ name: "note", valueString: note.trim() }] : []),
      ],
    });
    setNote("");
  };
  return (
    <section aria-labelledby="check-in-title" className="card">
      <h2 id="check-in-title">{isSelf ? "How are you?" : "Check in on the patient"}</h2>
      <label htmlFor="check-in-note">Note (if you like)</label>
      <input
        id="check-in-note"
        value={note}
        onChange={(event) => setNote(event.target.value)}
        maxLength={500}
      />
      <div className="choices">
        <ActionButton
          action={action}
          label={isSelf ? "I’m OK" : "They are OK"}
          done="Recorded. Alarms of the machine go on as they are."
          onAct={() => say("ok")}
        />
        <ActionButton
          action={action}
          kind="danger"
          label={isSelf ? "I’m not well" : "They are not well"}
          done="Recorded. The people around the patient are called now."
          onAct={() => say("not-well")}
        />
      </div>
      <ActionResult action={action} />
    </section>
  );
}
