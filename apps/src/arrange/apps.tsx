// Connected apps: which apps a person has let in is for the person's account alone, so it is managed there.

import { managementAddress } from "../smart/session";
import { useLive } from "../view/live";
import { useLoaded } from "../view/use_loaded";
import { StateOf } from "./state_of";

export function AppsSection(): React.JSX.Element {
  const { server } = useLive();
  const address = useLoaded(async () => ({ page: await managementAddress(server.base) }), [server]);
  return (
    <section className="card" aria-labelledby="apps">
      <h2 id="apps">Apps that you have let in</h2>
      <p>
        An app, such as this one, sees only what you may see and what you have allowed it. Which apps that
        are, what each may do, and ending it, stands on the pages of your account: no app can change that for
        you.
      </p>
      <StateOf of={address} what="the address of your account" />
      {address.value && !address.value.page && (
        <p className="why">This server names no page for that. Ask whoever runs it.</p>
      )}
      {address.value?.page && (
        <p>
          <a className="button" href={address.value.page} target="_blank" rel="noreferrer">
            See and end what apps may do (opens your account)
          </a>
        </p>
      )}
      <ul>
        <li>An app that you end there is out within a second, on every device.</li>
        <li>“Sign out” here ends this app on this device, and its access.</li>
        <li>What apps did with the record stands under “Who looked”.</li>
      </ul>
    </section>
  );
}
