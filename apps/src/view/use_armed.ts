// Whether somebody would hear an alarm about each of these patients: asked of the server, again when something changed.

import { useEffect, useState } from "react";
import { stringOf } from "../fhir/read";
import type { Parameters } from "../fhir/types";
import { useFeedState, useLive, useRecord } from "./live";

export interface Armed {
  readonly state: string;
  readonly reason: string | undefined;
  readonly reachable: number;
}

const AGAIN_MS = 30_000;
const SETTLED_MS = 700;

export const ARMED_WORDS: Readonly<Record<string, string>> = {
  armed: "Armed",
  testing: "Test page sent",
  lapsed: "Not armed any more",
  unarmed: "Not armed",
};

export const REASON_WORDS: Readonly<Record<string, string>> = {
  "not-tested": "no test page was sent",
  "not-acknowledged": "nobody has answered the test page",
  "nobody-reachable": "nobody near can be reached",
  "person-lost": "who answered cannot be reached any more",
  "no-order": "a clinician’s own limits are needed first",
  "too-old": "the last test page is too old",
};

export function armedOf(parameters: Parameters): Armed {
  return {
    state: stringOf(parameters, "state") ?? "unarmed",
    reason: stringOf(parameters, "reason"),
    reachable: Number(stringOf(parameters, "reachable") ?? 0),
  };
}

/** By `Patient/id`; a patient whose state is not known (yet) is missing. */
export function useArmed(patients: readonly string[]): ReadonlyMap<string, Armed> {
  const { server } = useLive();
  const { isLoaded } = useFeedState();
  const { revision } = useRecord();
  const [known, setKnown] = useState<ReadonlyMap<string, Armed>>(new Map());
  const [beat, setBeat] = useState(0);
  const key = [...patients].sort().join();

  useEffect(() => {
    const timer = setInterval(() => setBeat((count) => count + 1), AGAIN_MS);
    return () => clearInterval(timer);
  }, []);

  useEffect(() => {
    if (!isLoaded || !key) return;
    let isWanted = true;
    const asked = key.split(",");
    const timer = setTimeout(() => {
      server.askAll(asked.map((one) => `${one}/$armed`)).then(
        (answers) => {
          if (!isWanted) return;
          const found = new Map<string, Armed>();
          answers.forEach((answer, index) => {
            const patient = asked[index];
            if (answer?.resourceType === "Parameters" && patient) found.set(patient, armedOf(answer));
          });
          setKnown(found);
        },
        // What cannot be asked is not known: nothing is shown rather than what was true before.
        () => isWanted && setKnown(new Map()),
      );
    }, SETTLED_MS);
    return () => {
      isWanted = false;
      clearTimeout(timer);
    };
  }, [server, isLoaded, key, revision, beat]);
  return known;
}
