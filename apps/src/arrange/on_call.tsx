// Teams on call behind a care team: who is on duty now and in the next days, exchanges, and adding one.

import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { Refused } from "../fhir/refused";
import type { CareTeam } from "../fhir/types";
import { isOnCallTeam, joiningSteps, membersOf } from "../model/care_network";
import { dutiesOf, everybodyOn, overrideSteps, scheduleOf } from "../model/on_call";
import { useLive, useNames, useNow } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import { Field, focusFirstProblem } from "./field";
import type { Saving } from "./use_saving";

interface Props {
  readonly team: CareTeam;
  readonly patient: string;
  readonly mayChange: boolean;
  readonly saving: Saving;
}

export function OnCall({ team, mayChange, saving }: Props): React.JSX.Element {
  const { server, feed } = useLive();
  const listed = membersOf(team).filter((one) => one.isTeam);
  const known = useLoaded(async () => {
    const read = await server.askAll(listed.map((one) => one.reference));
    const teams = read.filter((one): one is CareTeam => one?.resourceType === "CareTeam");
    const people = await server.askAll([...new Set(teams.flatMap(everybodyOn))]);
    feed.take(people.filter((one) => one !== undefined));
    return teams;
  }, [server, feed, team.meta?.versionId, saving.step === "done"]);
  return (
    <section aria-labelledby={`on-call-${team.id}`}>
      <h3 id={`on-call-${team.id}`}>Teams on call</h3>
      {listed.length === 0 && <p className="quiet">No team on call stands behind this one.</p>}
      {known.problem && <p className="problem">{known.problem}</p>}
      {listed.map((one) => {
        const found = known.value?.find((other) => `CareTeam/${other.id}` === one.reference);
        if (found) return <Duties key={one.reference} team={found} mayChange={mayChange} saving={saving} />;
        return (
          known.value && (
            <p key={one.reference} className="why">
              {one.display ?? "A team on call"}: its schedule is not for you to see. The people on duty are
              called all the same.
            </p>
          )
        );
      })}
      {mayChange && <AddTeam team={team} saving={saving} />}
    </section>
  );
}

function Duties({
  team,
  mayChange,
  saving,
}: {
  readonly team: CareTeam;
  readonly mayChange: boolean;
  readonly saving: Saving;
}): React.JSX.Element {
  const nameOf = useNames();
  const now = useNow(60_000);
  const schedule = scheduleOf(team);
  const duties = dutiesOf(team, now);
  const names = (members: readonly string[]) => members.map(nameOf).join(", ") || "nobody";
  return (
    <>
      <p>
        <b>{team.name ?? "Team on call"}</b>: on duty now {names(duties[0]?.members ?? [])}
        {schedule ? "." : " (everybody in the team: it has no schedule)."}
      </p>
      {schedule && (
        <details>
          <summary>The next seven days</summary>
          <div className="scroll" tabIndex={0} role="region" aria-label="Shifts of the next seven days">
            <table>
              <thead>
                <tr>
                  <th scope="col">From</th>
                  <th scope="col">Until</th>
                  <th scope="col">On duty</th>
                </tr>
              </thead>
              <tbody>
                {duties.map((one) => (
                  <tr key={one.start}>
                    <td>{one.start <= now ? "now" : dayText(one.start)}</td>
                    <td>{dayText(one.end)}</td>
                    <td>{names(one.members)}</td>
                  </tr>
                ))}
              </tbody>
            </table>
          </div>
        </details>
      )}
      {schedule && mayChange && <Exchange team={team} saving={saving} />}
    </>
  );
}

function Exchange({ team, saving }: { readonly team: CareTeam; readonly saving: Saving }): React.JSX.Element {
  const { server } = useLive();
  const nameOf = useNames();
  const people = everybodyOn(team);
  const form = useRef<HTMLFormElement>(null);
  const [member, setMember] = useState(people[0] ?? "");
  const [instead, setInstead] = useState("");
  const [start, setStart] = useState("");
  const [end, setEnd] = useState("");
  const [problems, setProblems] = useState<{ start?: string; end?: string }>({});
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    const [from, until] = [Date.parse(start), Date.parse(end)];
    const found = {
      ...(Number.isNaN(from) ? { start: "Say when it begins." } : {}),
      ...(Number.isNaN(until)
        ? { end: "Say when it ends." }
        : until <= from
          ? { end: "The end lies before the beginning." }
          : {}),
    };
    flushSync(() => setProblems(found));
    if (Object.keys(found).length) return focusFirstProblem(form.current);
    await saving.save(async () => {
      const override = { start: from, end: until, member, insteadOf: instead || undefined };
      const steps = overrideSteps(team, override);
      if (!steps) throw new Refused(409, "");
      await server.patch(team, steps);
    }, "The exchange is in the schedule.");
  };
  return (
    <details>
      <summary>Exchange a shift</summary>
      <form ref={form} className="form" onSubmit={(event) => void submit(event)} noValidate>
        <Field label="Who takes it over">
          {(wired) => (
            <select {...wired} value={member} onChange={(event) => setMember(event.target.value)}>
              {people.map((one) => (
                <option key={one} value={one}>
                  {nameOf(one)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Instead of">
          {(wired) => (
            <select {...wired} value={instead} onChange={(event) => setInstead(event.target.value)}>
              <option value="">everybody: alone on duty</option>
              {people.map((one) => (
                <option key={one} value={one}>
                  {nameOf(one)}
                </option>
              ))}
            </select>
          )}
        </Field>
        <div className="fields">
          <Field label="From" hint="By your own clock" problem={problems.start}>
            {(wired) => (
              <input
                {...wired}
                type="datetime-local"
                value={start}
                onChange={(event) => setStart(event.target.value)}
              />
            )}
          </Field>
          <Field label="Until" hint="By your own clock" problem={problems.end}>
            {(wired) => (
              <input
                {...wired}
                type="datetime-local"
                value={end}
                onChange={(event) => setEnd(event.target.value)}
              />
            )}
          </Field>
        </div>
        <div className="tools">
          <button type="submit" className="main" disabled={saving.step === "sending"}>
            Put it into the schedule
          </button>
        </div>
      </form>
    </details>
  );
}

function AddTeam({
  team,
  saving,
}: {
  readonly team: CareTeam;
  readonly saving: Saving;
}): React.JSX.Element | null {
  const { server, feed } = useLive();
  const [chosen, setChosen] = useState("");
  const [step, setStep] = useState("3");
  const teams = useLoaded(async () => {
    const found = await server.searchAll("CareTeam", { status: "active", _count: "200" }, 200);
    const listed = new Set(membersOf(team).map((one) => one.reference));
    return found.filter(
      (one): one is CareTeam =>
        one.resourceType === "CareTeam" && isOnCallTeam(one) && !listed.has(`CareTeam/${one.id}`),
    );
  }, [server, team.meta?.versionId]);
  if (!teams.value?.length) return null;
  const submit = (event: React.FormEvent) => {
    event.preventDefault();
    if (!chosen) return;
    void saving.save(async () => {
      feed.take([await server.patch(team, joiningSteps(team, chosen, Number(step)))]);
    }, "The team on call is on the ladder now.");
  };
  return (
    <details>
      <summary>Let a team on call be called too</summary>
      <form className="form" onSubmit={submit}>
        <Field label="Team">
          {(wired) => (
            <select {...wired} required value={chosen} onChange={(event) => setChosen(event.target.value)}>
              <option value="">Choose…</option>
              {teams.value?.map((one) => (
                <option key={one.id} value={`CareTeam/${one.id}`}>
                  {one.name ?? one.id}
                </option>
              ))}
            </select>
          )}
        </Field>
        <Field label="Step">
          {(wired) => (
            <select {...wired} value={step} onChange={(event) => setStep(event.target.value)}>
              {["1", "2", "3", "4"].map((one) => (
                <option key={one}>{one}</option>
              ))}
            </select>
          )}
        </Field>
        <div className="tools">
          <button type="submit" className="main" disabled={saving.step === "sending"}>
            Add the team
          </button>
        </div>
      </form>
    </details>
  );
}
