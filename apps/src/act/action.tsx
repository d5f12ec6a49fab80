// Doing something: sent once, confirmed only when the server has committed it, and never pretended.

import { useCallback, useRef, useState } from "react";
import { messageOf, Refused } from "../fhir/refused";

export type Step = "idle" | "sending" | "done" | "failed";

export interface Action {
  readonly step: Step;
  /** What to say about it. */
  readonly said: string | undefined;
  /** Runs `work` unless something is being sent; `done` is said when it is committed. Returns whether it was. */
  readonly run: (work: () => Promise<unknown>, done: string) => Promise<boolean>;
  readonly reset: () => void;
}

const OFFLINE = "You are offline: nothing was sent. Call by telephone, or try again when you are connected.";
const UNKNOWN = "Nobody can tell whether it was done: look before you repeat it.";

/** What to say of a failure. */
export function failureWords(error: unknown): string {
  const isUnknown = error instanceof Refused && error.isUnknown;
  return isUnknown ? `Not confirmed. ${messageOf(error)} ${UNKNOWN}` : `Not done. ${messageOf(error)}`;
}

export function useAction(): Action {
  const [state, setState] = useState<{ step: Step; said: string | undefined }>({
    step: "idle",
    said: undefined,
  });
  const isSending = useRef(false);
  const run = useCallback(async (work: () => Promise<unknown>, done: string) => {
    if (isSending.current) return false;
    if (!navigator.onLine) {
      setState({ step: "failed", said: OFFLINE });
      return false;
    }
    isSending.current = true;
    setState({ step: "sending", said: "Sending…" });
    try {
      await work();
      setState({ step: "done", said: done });
      return true;
    } catch (error) {
      setState({ step: "failed", said: failureWords(error) });
      return false;
    } finally {
      isSending.current = false;
    }
  }, []);
  const reset = useCallback(() => setState({ step: "idle", said: undefined }), []);
  return { ...state, run, reset };
}

interface ButtonProps {
  readonly action: Action;
  readonly label: string;
  /** What is said once the server has committed it. */
  readonly done: string;
  readonly onAct: () => Promise<unknown>;
  readonly kind?: "main" | "danger" | undefined;
  readonly disabled?: boolean | undefined;
}

export function ActionButton({ action, label, done, onAct, kind, disabled }: ButtonProps): React.JSX.Element {
  return (
    <button
      type="button"
      className={kind ?? ""}
      disabled={disabled === true || action.step === "sending"}
      onClick={() => void action.run(onAct, done)}
    >
      {label}
    </button>
  );
}

/** What became of it; said to screen readers too. */
export function ActionResult({ action }: { readonly action: Action }): React.JSX.Element {
  return (
    <p className={`result ${action.step}`} role={action.step === "failed" ? "alert" : "status"}>
      {action.said && (
        <>
          <span aria-hidden="true">
            {action.step === "done" ? "✓ " : action.step === "failed" ? "✕ " : "… "}
          </span>
          {action.said}
        </>
      )}
    </p>
  );
}
