// Who changed this patient's limits, when, and what.

import type { Provenance, ServiceRequest } from "../fhir/types";
import { changesOf } from "../model/rule_history";
import { useLive, useNames } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import { StateOf } from "./state_of";

export function LimitHistory({ orders }: { readonly orders: readonly ServiceRequest[] }): React.JSX.Element {
  const { server, feed } = useLive();
  const nameOf = useNames();
  const key = orders
    .map((one) => `${one.id}:${one.meta?.versionId}`)
    .sort()
    .join();
  const history = useLoaded(async () => {
    const read = await server.askAll(
      orders.flatMap((one) => [
        `ServiceRequest/${one.id}/_history?_count=200`,
        `Provenance?target=ServiceRequest/${one.id}&_count=200`,
      ]),
    );
    const resources = read.flatMap((one) =>
      one?.resourceType === "Bundle" ? (one.entry ?? []).flatMap((entry) => entry.resource ?? []) : [],
    );
    const versions = resources.filter((one): one is ServiceRequest => one.resourceType === "ServiceRequest");
    const provenances = resources.filter((one): one is Provenance => one.resourceType === "Provenance");
    const changes = orders
      .flatMap((order) =>
        changesOf(
          versions.filter((one) => one.id === order.id),
          provenances,
        ),
      )
      .sort((a, b) => (b.time ?? 0) - (a.time ?? 0));
    const people = [...new Set(changes.flatMap((one) => [one.who ?? [], one.signed].flat()))];
    feed.take((await server.askAll(people)).filter((one) => one !== undefined));
    return changes;
  }, [server, feed, key]);
  return (
    <section className="card" aria-labelledby="limit-history">
      <h2 id="limit-history">What was changed</h2>
      <StateOf of={history} what="the changes" />
      {history.value?.length === 0 && <p className="quiet">Nothing was changed.</p>}
      <ol className="items">
        {history.value?.map((one) => (
          <li key={one.version}>
            <p>
              <b>{one.time === undefined ? "At an unknown time" : dayText(one.time)}</b>, {nameOf(one.who)}
              {one.signed.length > 0 ? ` · signed by ${one.signed.map(nameOf).join(" and ")}` : ""}
            </p>
            {one.what.map((what) => (
              <p key={what}>{what}</p>
            ))}
          </li>
        ))}
      </ol>
    </section>
  );
}
