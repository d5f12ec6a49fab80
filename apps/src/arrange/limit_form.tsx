// Setting one limit: what it would have done in the last treatments first, then saving it, or a draft that two sign.

import { useRef, useState } from "react";
import { flushSync } from "react-dom";
import { ActionResult, useAction } from "../act/action";
import { quantityOf } from "../fhir/quantities";
import type { ServiceRequest } from "../fhir/types";
import {
  freeId,
  LIMITED,
  newOrder,
  PRIORITY_NAMES,
  ruleProblems,
  typedNumber,
  withRule,
  type Rule,
  type RuleDraft,
  type RulePriority,
  type RuleProblems,
} from "../model/monitoring_order";
import { previewOf, type Preview } from "../model/rule_preview";
import { draftOf } from "../model/second_signature";
import { useLive } from "../view/live";
import { Field, focusFirstProblem } from "./field";
import { LimitPreview } from "./limit_preview";
import type { Saving } from "./use_saving";

interface Props {
  readonly patient: string;
  /** The order the limit belongs to; without one a new order is made. */
  readonly order: ServiceRequest | undefined;
  /** The limit that is changed; without one a new limit is set. */
  readonly rule: Rule | undefined;
  readonly saving: Saving;
}

const SESSIONS = 10;
const PRIORITIES: readonly RulePriority[] = ["PH", "PM", "PL"];

export function LimitForm(props: Props): React.JSX.Element {
  const [isOpen, setOpen] = useState(false);
  const toggle = useRef<HTMLButtonElement>(null);
  if (!isOpen)
    return (
      <button ref={toggle} type="button" onClick={() => setOpen(true)}>
        {props.rule ? `Change ${props.rule.label.toLowerCase()}` : "Set a new limit"}
      </button>
    );
  const close = () => {
    setOpen(false);
    requestAnimationFrame(() => toggle.current?.focus());
  };
  return <OpenForm {...props} onClose={close} />;
}

function OpenForm({
  patient,
  order,
  rule,
  saving,
  onClose,
}: Props & { readonly onClose: () => void }): React.JSX.Element {
  const { server, person, clock } = useLive();
  const form = useRef<HTMLFormElement>(null);
  const [quantity, setQuantity] = useState(rule?.quantity ?? "systolic");
  const [low, setLow] = useState(rule?.low?.toString() ?? "");
  const [high, setHigh] = useState(rule?.high?.toString() ?? "");
  const [priority, setPriority] = useState<RulePriority>(rule?.priority ?? "PM");
  const [sustained, setSustained] = useState(rule?.sustained?.toString() ?? "");
  const [problems, setProblems] = useState<RuleProblems>({});
  const [preview, setPreview] = useState<Preview | undefined>(undefined);
  const trying = useAction();
  const unit = quantityOf(quantity).unit;
  const changed = () => {
    setPreview(undefined);
    trying.reset();
  };
  const proposed = (): ServiceRequest | undefined => {
    const draft: RuleDraft = {
      id: rule?.id ?? freeId(order, quantity),
      quantity,
      low: typedNumber(low),
      high: typedNumber(high),
      priority,
      sustained: typedNumber(sustained),
      hysteresis: rule?.hysteresis,
    };
    const found = ruleProblems(draft);
    flushSync(() => setProblems(found));
    if (Object.keys(found).length) {
      focusFirstProblem(form.current);
      return undefined;
    }
    return withRule(order ?? newOrder(patient, person.reference, clock.now()), draft, person.reference);
  };
  const ask = async (asked: ServiceRequest, signed: boolean) =>
    previewOf(
      await server.operate(`${patient}/$preview-rules`, {
        resourceType: "Parameters",
        parameter: [
          { name: "rule", resource: asked },
          { name: "sessions", valuePositiveInt: SESSIONS },
          ...(signed ? [{ name: "signed", valueBoolean: true }] : []),
        ],
      }),
    );
  const tryIt = async () => {
    const asked = proposed();
    if (!asked) return;
    setPreview(undefined);
    await trying.run(async () => {
      const plain = await ask(asked, false);
      // Beyond a floor nothing of it counts unsigned: what it would do signed is what is asked.
      setPreview(plain.ignored.length ? { ...(await ask(asked, true)), ignored: plain.ignored } : plain);
    }, "Looked at. Nothing was stored.");
  };
  const save = async (asDraft: boolean) => {
    const asked = proposed();
    if (!asked) return;
    const isDone = await saving.save(
      async () => {
        if (asDraft) await server.create(draftOf(asked));
        else if (asked.id) await server.update(asked);
        else await server.create(asked);
      },
      asDraft
        ? "Saved as a draft. It is not in force until a second person has signed it."
        : "Saved. The limit is in force from the next reading on.",
    );
    if (isDone) onClose();
  };
  const needsTwo = (preview?.ignored.length ?? 0) > 0;
  return (
    <form
      ref={form}
      className="form"
      aria-label={rule ? `Change the limit of ${rule.label.toLowerCase()}` : "A new limit"}
      noValidate
      onChange={changed}
      onSubmit={(event) => {
        event.preventDefault();
        void tryIt();
      }}
    >
      {rule ? (
        <p>
          <b>{rule.label}</b>
        </p>
      ) : (
        <Field label="What">
          {(wired) => (
            <select
              {...wired}
              autoFocus
              value={quantity}
              onChange={(event) => setQuantity(event.target.value)}
            >
              {LIMITED.map((one) => (
                <option key={one.key} value={one.key}>
                  {one.label}
                </option>
              ))}
            </select>
          )}
        </Field>
      )}
      <div className="fields">
        <Field label={`Alarm below (${unit})`} problem={problems.low}>
          {(wired) => (
            <input
              {...wired}
              inputMode="decimal"
              autoFocus={rule !== undefined}
              value={low}
              onChange={(event) => setLow(event.target.value)}
            />
          )}
        </Field>
        <Field label={`Alarm above (${unit})`} problem={problems.high}>
          {(wired) => (
            <input
              {...wired}
              inputMode="decimal"
              value={high}
              onChange={(event) => setHigh(event.target.value)}
            />
          )}
        </Field>
        <Field
          label="After (seconds)"
          hint="How long it must last. Empty: at once."
          problem={problems.sustained}
        >
          {(wired) => (
            <input
              {...wired}
              inputMode="numeric"
              value={sustained}
              onChange={(event) => setSustained(event.target.value)}
            />
          )}
        </Field>
        <Field label="How urgent">
          {(wired) => (
            <select
              {...wired}
              value={priority}
              onChange={(event) => setPriority(event.target.value as RulePriority)}
            >
              {PRIORITIES.map((one) => (
                <option key={one} value={one}>
                  {PRIORITY_NAMES[one]}
                </option>
              ))}
            </select>
          )}
        </Field>
      </div>
      <p className="quiet">
        A limit may be tighter than the default ones. Looser ones count only down to the safety floor; beyond
        it two people have to sign.
      </p>
      <div className="tools">
        <button type="submit" className={preview ? "" : "main"} disabled={trying.step === "sending"}>
          Try it on the last {SESSIONS} treatments
        </button>
        {needsTwo ? (
          <button
            type="button"
            className="main"
            disabled={saving.step === "sending"}
            onClick={() => void save(true)}
          >
            Sign, and save as a draft for a second signature
          </button>
        ) : (
          <button
            type="button"
            className={preview ? "main" : ""}
            disabled={saving.step === "sending"}
            onClick={() => void save(false)}
          >
            Save, in force at once
          </button>
        )}
        <button type="button" onClick={onClose}>
          Leave it as it is
        </button>
      </div>
      <ActionResult action={trying} />
      {preview && <LimitPreview preview={preview} />}
    </form>
  );
}
