// Around every view: the live data, the state of the connection, the sound, the way out.

import { useEffect, useMemo, useRef, useState, useSyncExternalStore } from "react";
import { FhirServer } from "../fhir/server";
import { Feed } from "../live/feed";
import { loadAll, loadOpen } from "../live/initial";
import { LiveRecord } from "../live/record";
import { ServerClock } from "../live/server_clock";
import { signOut, type Session } from "../smart/session";
import { Siren } from "../ui/siren";
import { ConnectionState, LocalAlarm } from "./connection_state";
import { LiveContext, type Live } from "./live";
import { routeOf } from "./route";
import { SoundButton, SoundKeeper } from "./sound";
import { ThemeButton } from "./theme";
import { View } from "./view";

interface Props {
  readonly session: Session;
  readonly onSignedOut: (said?: string) => void;
}

const ENDED = "Your sign-in has ended. Sign in again.";

export function Shell({ session, onSignedOut }: Props): React.JSX.Element {
  const leaving = useRef(false);
  const live = useMemo<Live>(() => {
    // What was still being asked for when its person signed out is refused, and no news.
    const server = new FhirServer(session.client, () => leaving.current || onSignedOut(ENDED));
    const record = new LiveRecord();
    const clock = new ServerClock();
    const feed = new Feed(server, record, clock, { all: loadAll, open: loadOpen });
    return { server, record, feed, clock, person: session.person, siren: new Siren() };
  }, [session]);

  useEffect(() => {
    const { feed } = live;
    void feed.start();
    const hurry = () => feed.hurry();
    const leave = () => feed.stop();
    window.addEventListener("online", hurry);
    // A page that comes back from the browser's memory has lost its Subscriptions.
    const back = (event: PageTransitionEvent) => event.persisted && location.reload();
    window.addEventListener("pagehide", leave);
    window.addEventListener("pageshow", back);
    return () => {
      window.removeEventListener("online", hurry);
      window.removeEventListener("pagehide", leave);
      window.removeEventListener("pageshow", back);
      live.siren.set(undefined);
      feed.stop();
    };
  }, [live]);

  const hash = useSyncExternalStore(onHashChange, () => location.hash);
  const route = routeOf(hash);
  const [isLeaving, setLeaving] = useState(false);
  const out = async () => {
    leaving.current = true;
    setLeaving(true);
    live.feed.stop();
    await signOut(session.client);
    onSignedOut("You are signed out.");
  };

  return (
    <LiveContext value={live}>
      <a className="skip" href="#content" onClick={skipToContent}>
        Skip to the content
      </a>
      <header className="bar">
        <a className="home" href="#/">
          Home dialysis
        </a>
        <ConnectionState />
        <SoundButton />
        <ThemeButton />
        <button type="button" onClick={() => void out()} disabled={isLeaving}>
          Sign out
        </button>
      </header>
      <section aria-label="This screen">
        <LocalAlarm />
        <SoundKeeper />
      </section>
      <main id="content" tabIndex={-1}>
        <View route={route} />
      </main>
    </LiveContext>
  );
}

function onHashChange(listener: () => void): () => void {
  window.addEventListener("hashchange", listener);
  return () => window.removeEventListener("hashchange", listener);
}

function skipToContent(event: React.MouseEvent): void {
  event.preventDefault();
  document.getElementById("content")?.focus();
}
