// One order: its limits, changing and taking them away; a draft, and the second signature it waits for.

import { localReference } from "../fhir/read";
import type { ServiceRequest } from "../fhir/types";
import { rulesIn, ruleWords, withoutRule } from "../model/monitoring_order";
import { firstSigner, signatures, signingProblem } from "../model/second_signature";
import { useLive, useNames } from "../view/live";
import { dayText } from "../view/times";
import { Confirm } from "./confirm";
import { LimitForm } from "./limit_form";
import type { Saving } from "./use_saving";

interface Props {
  readonly order: ServiceRequest;
  readonly patient: string;
  readonly mayChange: boolean;
  readonly saving: Saving;
}

export function LimitOrder({ order, patient, mayChange, saving }: Props): React.JSX.Element {
  const { server, person } = useLive();
  const nameOf = useNames();
  const isDraft = order.status === "draft";
  const remove = (id: string) =>
    saving.save(
      () => server.update(withoutRule(order, id, person.reference)),
      "Taken away. The default limits hold again, from the next reading on.",
    );
  const updated = order.meta?.lastUpdated;
  return (
    <div>
      <p>
        {isDraft ? "Draft, not in force" : "Ordered"} by{" "}
        <b>{nameOf(localReference(order.requester?.reference))}</b>
        {updated ? `, ${dayText(Date.parse(updated))}` : ""}
        {order.occurrencePeriod?.end
          ? `, until ${new Date(order.occurrencePeriod.end).toLocaleDateString()}`
          : ""}
      </p>
      <ul className="items">
        {rulesIn(order).map((rule) => (
          <li key={rule.id}>
            <p>
              <b>{rule.label}</b> {ruleWords(rule)}
            </p>
            {mayChange && !isDraft && (
              <div className="tools">
                {rule.quantity && <LimitForm patient={patient} order={order} rule={rule} saving={saving} />}
                <Confirm
                  label={`Take ${rule.label.toLowerCase()} away`}
                  meaning="The default limit holds again, from the next reading on."
                  yes="Yes, take it away"
                  disabled={saving.step === "sending"}
                  onYes={() => void remove(rule.id)}
                />
              </div>
            )}
          </li>
        ))}
      </ul>
      {isDraft && <Signing draft={order} saving={saving} />}
    </div>
  );
}

function Signing({
  draft,
  saving,
}: {
  readonly draft: ServiceRequest;
  readonly saving: Saving;
}): React.JSX.Element {
  const { server, person, clock } = useLive();
  const nameOf = useNames();
  const problem = signingProblem(draft, person.reference);
  const sign = () =>
    saving.save(async () => {
      await server.create(signatures(draft, person.reference, clock.now()));
      await server.patch(draft, [{ op: "replace", path: "/status", value: "active" }]);
      // Only once the new one is in force: until then, and if this fails, both hold and the tighter one speaks.
      for (const { reference } of draft.replaces ?? []) {
        const old = localReference(reference);
        if (!old) continue;
        const stands = await server.read<ServiceRequest>(old);
        if (stands.status === "active")
          await server.patch(stands, [{ op: "replace", path: "/status", value: "revoked" }]);
      }
    }, "Signed by two and in force, from the next reading on.");
  const discard = () =>
    saving.save(
      () => server.patch(draft, [{ op: "replace", path: "/status", value: "revoked" }]),
      "The draft is discarded. It was never in force.",
    );
  return (
    <div className="why">
      <p>
        This draft goes beyond a safety floor. It counts only when a second nurse or doctor has signed it.
        First signature: {nameOf(firstSigner(draft))}.
      </p>
      {problem && <p>{problem}</p>}
      <div className="tools">
        {!problem && (
          <Confirm
            label="Sign as the second person"
            meaning="You have looked at these limits and answer for them beside the first person. They are in force at once."
            yes="Yes, sign"
            disabled={saving.step === "sending"}
            onYes={() => void sign()}
          />
        )}
        <Confirm
          label="Discard the draft"
          meaning="The limits in force stay as they are."
          yes="Yes, discard"
          disabled={saving.step === "sending"}
          onYes={() => void discard()}
        />
      </div>
    </div>
  );
}
