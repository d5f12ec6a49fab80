// Limits: what is in force and who set it, the patient's own orders, what was changed, and setting a new one.

import { ActionResult } from "../act/action";
import { QUANTITIES } from "../fhir/quantities";
import type { Parameters, ServiceRequest } from "../fhir/types";
import { durationText } from "../model/freshness";
import { drawnLimits, rulesOf, sourceWords } from "../model/limits";
import { isInForce, isMonitoringOrder } from "../model/monitoring_order";
import { useLive } from "../view/live";
import { useLoaded } from "../view/use_loaded";
import type { SectionProps } from "./index";
import { LimitForm } from "./limit_form";
import { LimitHistory } from "./limit_history";
import { LimitOrder } from "./limit_order";
import { StateOf } from "./state_of";
import { useSaving } from "./use_saving";

export function LimitsSection({ patient }: SectionProps): React.JSX.Element {
  const { server, feed, person } = useLive();
  const orders = useLoaded(async () => {
    const found = await server.searchAll("ServiceRequest", {
      patient,
      status: "active,draft,on-hold,revoked",
      _include: "ServiceRequest:requester",
      _count: "100",
    });
    feed.take(found.filter((one) => one.resourceType !== "ServiceRequest"));
    return found.filter(
      (one): one is ServiceRequest => one.resourceType === "ServiceRequest" && isMonitoringOrder(one),
    );
  }, [server, feed, patient]);
  const rules = useLoaded(() => server.ask(`${patient}/$monitoring-rules`), [server, patient]);
  const saving = useSaving(() => {
    orders.again();
    rules.again();
  });
  const isClinician = /^Practitioner(Role)?\//.test(person.reference);
  const inForce = orders.value?.filter(isInForce) ?? [];
  const drafts = orders.value?.filter((one) => one.status === "draft") ?? [];
  return (
    <>
      <section className="card" aria-labelledby="in-force">
        <h2 id="in-force">In force now</h2>
        <StateOf of={rules} what="the limits in force" />
        {rules.value && <InForce answer={rules.value} />}
      </section>
      <section className="card" aria-labelledby="own">
        <h2 id="own">Own limits of this patient</h2>
        {!isClinician && (
          <p className="why">
            Limits are set by nurses and doctors of the care team. Speak to them when an alarm rings too
            often, or too late.
          </p>
        )}
        {orders.problem && person.role === "family" ? (
          <p className="why">Orders stay between the patient and the clinic.</p>
        ) : (
          <StateOf of={orders} what="the orders" />
        )}
        {orders.value && inForce.length === 0 && (
          <p>There is no order for this patient: the default limits for adults hold.</p>
        )}
        {[...inForce, ...drafts].map((order) => (
          <LimitOrder
            key={order.id}
            order={order}
            patient={patient}
            mayChange={isClinician}
            saving={saving}
          />
        ))}
        <ActionResult action={saving} />
        {isClinician && orders.value && (
          <LimitForm patient={patient} order={inForce[0]} rule={undefined} saving={saving} />
        )}
      </section>
      {orders.value && orders.value.length > 0 && <LimitHistory orders={orders.value} />}
    </>
  );
}

function InForce({ answer }: { readonly answer: Parameters }): React.JSX.Element {
  const rules = rulesOf(answer);
  const rows = QUANTITIES.map((one) => ({ quantity: one, limits: drawnLimits(rules, one.key) })).filter(
    (row) => row.limits.length > 0 || rules.intervals.has(row.quantity.key),
  );
  return (
    <div className="scroll" tabIndex={0} role="region" aria-label="Limits in force">
      <table>
        <thead>
          <tr>
            <th scope="col">What</th>
            <th scope="col">Alarm</th>
            <th scope="col">High alarm at once</th>
            <th scope="col">Measured every</th>
            <th scope="col">Set by</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(({ quantity, limits }) => {
            const interval = rules.intervals.get(quantity.key);
            const said = (isFloor: boolean) =>
              limits
                .filter((one) => one.isFloor === isFloor)
                .map((one) => `${one.side === "low" ? "below" : "above"} ${one.value}`)
                .join(", ");
            const by = [
              ...new Set(limits.filter((one) => !one.isFloor).map((one) => sourceWords(one.source))),
            ];
            return (
              <tr key={quantity.key}>
                <th scope="row">
                  {quantity.label} ({quantity.unit})
                </th>
                <td>{said(false) || "–"}</td>
                <td>{said(true) || "–"}</td>
                <td>{interval === undefined ? "–" : durationText(interval / 60_000)}</td>
                <td>{by.join(", ") || "–"}</td>
              </tr>
            );
          })}
        </tbody>
      </table>
    </div>
  );
}
