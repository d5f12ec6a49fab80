// Something a view loads by itself: what came, why it did not, and a way to ask again.

import { useCallback, useEffect, useState, type DependencyList } from "react";
import { messageOf } from "../fhir/refused";

export interface Loaded<T> {
  /** What came last; kept while it is asked for again. */
  readonly value: T | undefined;
  readonly problem: string | undefined;
  readonly isLoading: boolean;
  readonly again: () => void;
}

/** Loads when a dependency changes or `again` is called; an answer that is overtaken is dropped. */
export function useLoaded<T>(load: () => Promise<T>, dependencies: DependencyList): Loaded<T> {
  const [state, setState] = useState<Omit<Loaded<T>, "again">>({
    value: undefined,
    problem: undefined,
    isLoading: true,
  });
  const [turn, setTurn] = useState(0);
  useEffect(() => {
    let isWanted = true;
    setState((before) => ({ ...before, isLoading: true }));
    load().then(
      (value) => isWanted && setState({ value, problem: undefined, isLoading: false }),
      (error: unknown) =>
        isWanted && setState((before) => ({ ...before, problem: messageOf(error), isLoading: false })),
    );
    return () => {
      isWanted = false;
    };
  }, [...dependencies, turn]);
  const again = useCallback(() => setTurn((count) => count + 1), []);
  return { ...state, again };
}
