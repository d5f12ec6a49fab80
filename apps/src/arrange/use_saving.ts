// A change of something that others may change too: shown as saved when the server has committed it, and where somebody
// was faster, what stands now is loaded and said to be so.

import { useCallback, useRef } from "react";
import { useAction, type Action, type Step } from "../act/action";
import { Refused } from "../fhir/refused";

export interface Saving extends Action {
  /** As `run`; afterwards what stands is loaded again, also where somebody else was faster. */
  readonly save: (work: () => Promise<unknown>, done: string) => Promise<boolean>;
}

const OVERTAKEN =
  "Somebody else changed it in the meantime, so nothing of yours was stored. What is shown now is the new version: look at it, then repeat.";

export function useSaving(again: () => void): Saving {
  const action = useAction();
  const { run } = action;
  const save = useCallback(
    async (work: () => Promise<unknown>, done: string) => {
      const isDone = await run(async () => {
        try {
          await work();
        } catch (error) {
          throw told(error);
        }
      }, done);
      again();
      return isDone;
    },
    [run, again],
  );
  return { ...action, save };
}

function told(error: unknown): unknown {
  const isOvertaken = error instanceof Refused && (error.status === 409 || error.status === 412);
  return isOvertaken ? new Refused(error.status, OVERTAKEN, error.outcome) : error;
}

/** The key of a form about `version`: what somebody has typed stays when saving failed, also over a new version. */
export function useFormKey(version: string, step: Step): string {
  const key = useRef(version);
  if (step === "idle" || step === "done") key.current = version;
  return key.current;
}
