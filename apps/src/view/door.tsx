// Before the app: opening, signed out, or what went wrong in words a person can act on.

import { useEffect, useState } from "react";
import { messageOf } from "../fhir/refused";
import { readConfig } from "../smart/config";
import { firstPlace } from "../smart/person";
import { forget, openSession, signIn, type Session } from "../smart/session";
import { Shell } from "./shell";

type State =
  | { readonly step: "opening" }
  | { readonly step: "out"; readonly said: string | undefined }
  | { readonly step: "in"; readonly session: Session };

// React runs effects twice in development, and a code is good once.
let opened: Promise<Session | undefined> | undefined;

export function Door(): React.JSX.Element {
  const [state, setState] = useState<State>({ step: "opening" });

  useEffect(() => {
    opened ??= openSession();
    opened.then(
      (session) => {
        if (!session) return setState({ step: "out", said: undefined });
        if (location.search) history.replaceState(null, "", location.pathname + location.hash);
        if (!location.hash) location.hash = firstPlace(session.person, session.launchPatient);
        setState({ step: "in", session });
      },
      (error: unknown) => {
        forget();
        history.replaceState(null, "", location.pathname + location.hash);
        setState({ step: "out", said: messageOf(error) });
      },
    );
  }, []);

  const leave = (said?: string) => {
    forget();
    setState({ step: "out", said });
  };

  if (state.step === "in") return <Shell session={state.session} onSignedOut={leave} />;
  return (
    <main className="door">
      <h1>Home dialysis</h1>
      {state.step === "opening" ? (
        <p role="status">Opening…</p>
      ) : (
        <>
          {state.said && (
            <p role="alert" className="problem">
              {state.said}
            </p>
          )}
          <p>See who is on treatment at home, what is wrong, and who is on the way.</p>
          <SignIn onProblem={(said) => setState({ step: "out", said })} />
          <p className="quiet">
            A second way to be told, never the first: the machine’s own alarm comes first, and nobody here
            calls an ambulance.
          </p>
        </>
      )}
    </main>
  );
}

function SignIn({ onProblem }: { readonly onProblem: (said: string) => void }): React.JSX.Element {
  const [isLeaving, setLeaving] = useState(false);
  const go = () => {
    setLeaving(true);
    readConfig(location.href)
      .then((config) => signIn(config, location.href))
      .catch((error: unknown) => {
        setLeaving(false);
        onProblem(messageOf(error));
      });
  };
  return (
    <button type="button" className="main" onClick={go} disabled={isLeaving}>
      {isLeaving ? "Going to the sign-in page…" : "Sign in"}
    </button>
  );
}
