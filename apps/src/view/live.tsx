// What every view reads from: the record as it is now, the feed that keeps it true, who has signed in.

import {
  createContext,
  useContext,
  useEffect,
  useMemo,
  useReducer,
  useRef,
  useState,
  useSyncExternalStore,
} from "react";
import type { FhirServer } from "../fhir/server";
import type { Feed, FeedState } from "../live/feed";
import type { LiveRecord } from "../live/record";
import type { ServerClock } from "../live/server_clock";
import { namesOf } from "../model/names";
import type { Person } from "../smart/person";
import type { Siren } from "../ui/siren";

export interface Live {
  readonly server: FhirServer;
  readonly record: LiveRecord;
  readonly feed: Feed;
  readonly clock: ServerClock;
  readonly person: Person;
  readonly siren: Siren;
}

export const LiveContext = createContext<Live | undefined>(undefined);

export function useLive(): Live {
  const live = useContext(LiveContext);
  if (!live) throw new Error("useLive needs a LiveContext around it.");
  return live;
}

/** The record; the caller is drawn again when a resource changes. */
export function useRecord(): LiveRecord {
  const { record } = useLive();
  useSyncExternalStore(record.subscribe, () => record.revision);
  return record;
}

/** The server's time in ms, again each `period` ms. */
export function useNow(period = 1000): number {
  const { clock } = useLive();
  const [now, setNow] = useState(() => clock.now());
  useEffect(() => {
    const timer = setInterval(() => setNow(clock.now()), period);
    return () => clearInterval(timer);
  }, [clock, period]);
  return now;
}

/** How the feed stands, looked at each second: silence is no event. */
export function useFeedState(): FeedState {
  const { feed } = useLive();
  const [state, setState] = useState(() => feed.state());
  useEffect(() => {
    const look = () =>
      setState((before) => {
        const now = feed.state();
        const isSame = (Object.keys(now) as (keyof FeedState)[]).every((key) => now[key] === before[key]);
        return isSame ? before : now;
      });
    const timer = setInterval(look, 1000);
    const leave = feed.subscribe(look);
    look();
    return () => {
      clearInterval(timer);
      leave();
    };
  }, [feed]);
  return state;
}

/** Draws the caller again when values of `patient` come, at most each `least` ms. */
export function useValues(patient: string, least = 1000): LiveRecord {
  const { record } = useLive();
  const [, draw] = useReducer((count: number) => count + 1, 0);
  const drawn = useRef(0);
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const leave = record.subscribeValues(patient, () => {
      timer ??= setTimeout(
        () => {
          timer = undefined;
          drawn.current = performance.now();
          draw();
        },
        Math.max(0, drawn.current + least - performance.now()),
      );
    });
    return () => {
      clearTimeout(timer);
      leave();
    };
  }, [record, patient, least]);
  return record;
}

/** The name of a `Type/id`, for people. */
export function useNames(): (reference: string | undefined) => string {
  const record = useRecord();
  const { person } = useLive();
  const teams = record.all("CareTeam");
  const lists = [record.all("RelatedPerson"), record.all("Practitioner"), record.all("Patient")] as const;
  const names = useMemo(() => namesOf(lists.flat(), teams), [teams, ...lists]);
  return (reference) => {
    if (!reference) return "somebody";
    if (reference === person.reference) return "you";
    return names.get(reference) ?? "somebody";
  };
}
