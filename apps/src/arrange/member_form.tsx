// How one member is called: step, place, ways, quiet hours. Changed over the version that is shown, and no other.

import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { Refused } from "../fhir/refused";
import type { CareTeam } from "../fhir/types";
import {
  callingProblems,
  callingSteps,
  type Calling,
  type Channel,
  type Member,
  type QuietHours,
} from "../model/care_network";
import { useLive } from "../view/live";
import { Field, focusFirstProblem } from "./field";
import type { Saving } from "./use_saving";

interface Props {
  readonly member: Member;
  readonly name: string;
  readonly team: CareTeam;
  readonly saving: Saving;
  readonly onSaved: (stored: CareTeam) => void;
}

const WAYS: readonly (readonly [string, string, readonly Channel[]])[] = [
  ["both", "Text and call", []],
  ["sms", "Text only", ["sms"]],
  ["voice", "Call only", ["voice"]],
  ["none", "Not by telephone", ["none"]],
];

export function MemberForm(props: Props): React.JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  const close = () => {
    setOpen(false);
    requestAnimationFrame(() => toggle.current?.focus());
  };
  if (isOpen) return <OpenForm {...props} onClose={close} />;
  return (
    <button ref={toggle} type="button" onClick={() => setOpen(true)}>
      Change how {props.name === "you" ? "you are" : `${props.name} is`} called
    </button>
  );
}

function OpenForm({
  member,
  name,
  team,
  saving,
  onSaved,
  onClose,
}: Props & { readonly onClose: () => void }): React.JSX.Element {
  const { server } = useLive();
  const form = useRef<HTMLFormElement>(null);
  const [tier, setTier] = useState(member.tier?.toString() ?? "");
  const [order, setOrder] = useState(member.order?.toString() ?? "");
  const [way, setWay] = useState(
    WAYS.find(([, , channels]) => [...channels].sort().join() === [...member.channels].sort().join())?.[0] ??
      "both",
  );
  const [quiet, setQuiet] = useState<readonly QuietHours[]>(member.quiet);
  const [problems, setProblems] = useState<ReturnType<typeof callingProblems>>({});
  const calling: Calling = {
    tier: tier === "" ? undefined : Number(tier),
    order: order === "" ? undefined : Number(order),
    channels: WAYS.find(([key]) => key === way)?.[2] ?? [],
    quiet,
  };
  const submit = async (event: React.FormEvent) => {
    event.preventDefault();
    const found = callingProblems(calling);
    flushSync(() => setProblems(found));
    if (Object.keys(found).length) return focusFirstProblem(form.current);
    const isDone = await saving.save(async () => {
      const steps = callingSteps(team, member.reference, calling);
      if (!steps) throw new Refused(409, "");
      onSaved(await server.patch(team, steps));
    }, `Saved. It counts from the next call on, also in an alarm that is going on.`);
    if (isDone) onClose();
  };
  const change = (index: number, part: Partial<QuietHours>) =>
    setQuiet(quiet.map((one, at) => (at === index ? { ...one, ...part } : one)));
  const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
  return (
    <form
      ref={form}
      className="form"
      aria-label={`How ${name} ${name === "you" ? "are" : "is"} called`}
      onSubmit={(event) => void submit(event)}
      noValidate
    >
      <div className="fields">
        <Field label="Step" hint="1 is told first. Empty: is not called." problem={problems.tier}>
          {(wired) => (
            <input
              {...wired}
              inputMode="numeric"
              autoFocus
              value={tier}
              onChange={(event) => setTier(event.target.value.trim())}
            />
          )}
        </Field>
        <Field
          label="Place in the step"
          hint="For what can wait: one after the other."
          problem={problems.order}
        >
          {(wired) => (
            <input
              {...wired}
              inputMode="numeric"
              value={order}
              onChange={(event) => setOrder(event.target.value.trim())}
            />
          )}
        </Field>
        <Field label="How" hint="Only ways that the person has agreed to are used.">
          {(wired) => (
            <select {...wired} value={way} onChange={(event) => setWay(event.target.value)}>
              {WAYS.map(([key, label]) => (
                <option key={key} value={key}>
                  {label}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      {quiet.map((one, index) => (
        <fieldset key={index}>
          <legend>Quiet hours{quiet.length > 1 ? ` ${index + 1}` : ""}</legend>
          <div className="fields">
            <Field label="From" problem={index === 0 ? problems.quiet : undefined}>
              {(wired) => (
                <input
                  {...wired}
                  type="time"
                  value={one.start}
                  onChange={(event) => change(index, { start: event.target.value })}
                />
              )}
            </Field>
            <Field label="Until">
              {(wired) => (
                <input
                  {...wired}
                  type="time"
                  value={one.end}
                  onChange={(event) => change(index, { end: event.target.value })}
                />
              )}
            </Field>
            <Field label="Time zone">
              {(wired) => (
                <input
                  {...wired}
                  value={one.zone}
                  onChange={(event) => change(index, { zone: event.target.value.trim() })}
                />
              )}
            </Field>
          </div>
          <button type="button" onClick={() => setQuiet(quiet.filter((_, at) => at !== index))}>
            Take these quiet hours away
          </button>
        </fieldset>
      ))}
      <p className="quiet">
        In quiet hours the person is passed over for what can wait. A high alarm calls all the same.
      </p>
      <div className="tools">
        <button type="button" onClick={() => setQuiet([...quiet, { start: "22:00", end: "07:00", zone }])}>
          Add quiet hours
        </button>
        <button type="submit" className="main" disabled={saving.step === "sending"}>
          Save
        </button>
        <button type="button" onClick={onClose}>
          Leave it as it was
        </button>
      </div>
    </form>
  );
}
