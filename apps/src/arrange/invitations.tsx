// Inviting somebody into the care of a patient, what is open, and taking it back.

import { useState } from "react";
import { ActionResult } from "../act/action";
import { stringOf, timeOf } from "../fhir/read";
import type { CareTeam } from "../fhir/types";
import { isOwnedBy } from "../model/care_network";
import {
  invitationsOf,
  inviteNotice,
  joinLink,
  OFFER_WORDS,
  offersOf,
  standingOf,
  type Invitation,
  type Offer,
} from "../model/invitations";
import { useLive, useNames } from "../view/live";
import { dayText } from "../view/times";
import { useLoaded } from "../view/use_loaded";
import { Confirm } from "./confirm";
import { Field } from "./field";
import { StateOf } from "./state_of";
import { useSaving } from "./use_saving";

interface Props {
  readonly patient: string;
  readonly teams: readonly CareTeam[];
  readonly again: () => void;
}

interface Made {
  readonly link: string;
  readonly token: string;
  readonly expires: number | undefined;
}

const STATE_WORDS: Readonly<Record<Invitation["state"], string>> = {
  open: "open",
  used: "accepted",
  withdrawn: "withdrawn",
  over: "too old",
};

export function Invitations({ patient, teams, again }: Props): React.JSX.Element {
  const { server, person, clock } = useLive();
  const nameOf = useNames();
  const [team, setTeam] = useState(teams[0]?.id ?? "");
  const chosen = teams.find((one) => one.id === team);
  const isOwner = chosen !== undefined && isOwnedBy(chosen, person.reference);
  const standing = standingOf(person.role, isOwner);
  const offers = offersOf(standing);
  const [offer, setOffer] = useState<Offer>("care-partner");
  const [made, setMade] = useState<Made | undefined>(undefined);
  const list = useLoaded(
    async () => invitationsOf(await server.ask("$invitations"), patient, clock.now()),
    [server, patient],
  );
  const saving = useSaving(() => {
    list.again();
    again();
  });
  const notice = inviteNotice(standing);
  const invite = () =>
    saving.save(async () => {
      setMade(undefined);
      const answer = await server.operate("$invite", {
        resourceType: "Parameters",
        parameter: [
          { name: "as", valueCode: offer },
          { name: "patient", valueString: patient },
          ...(team && offer !== "peer" ? [{ name: "careTeam", valueString: `CareTeam/${team}` }] : []),
        ],
      });
      const token = stringOf(answer, "token") ?? "";
      setMade({
        token,
        link: joinLink(server.base, token),
        expires: timeOf(stringOf(answer, "expires")),
      });
    }, "The invitation is made. Hand it over now: it is shown this once.");
  const withdraw = (id: string) =>
    saving.save(
      () =>
        server.operate("$withdraw-invitation", {
          resourceType: "Parameters",
          parameter: [{ name: "id", valueId: id }],
        }),
      "The invitation is withdrawn: it opens nothing any more.",
    );
  return (
    <section className="card" aria-labelledby="invitations">
      <h2 id="invitations">Invite somebody</h2>
      {notice && <p className="why">{notice}</p>}
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault();
          void invite();
        }}
      >
        <Field label="As what">
          {(wired) => (
            <select
              {...wired}
              value={offers.includes(offer) ? offer : offers[0]}
              onChange={(event) => setOffer(event.target.value as Offer)}
            >
              {offers.map((one) => (
                <option key={one} value={one}>
                  {OFFER_WORDS[one]}
                </option>
              ))}
            </select>
          )}
        </Field>
        {teams.length > 1 && (
          <Field label="Into which team">
            {(wired) => (
              <select {...wired} value={team} onChange={(event) => setTeam(event.target.value)}>
                {teams.map((one) => (
                  <option key={one.id} value={one.id}>
                    {one.name ?? one.id}
                  </option>
                ))}
              </select>
            )}
          </Field>
        )}
        <p className="quiet">
          An invitation works once and for seven days. Who accepts is on no step yet: an owner of the team
          says who is called when.
        </p>
        <div className="tools">
          <button type="submit" className="main" disabled={saving.step === "sending"}>
            Make an invitation
          </button>
        </div>
      </form>
      <ActionResult action={saving} />
      {made && (
        <div role="group" aria-label="The new invitation">
          <p>Give this link to the person, and to nobody else:</p>
          <p className="secret">{made.link}</p>
          <p className="quiet">
            Or the code alone: <span className="secret">{made.token}</span>
            {made.expires !== undefined && <> It is good until {dayText(made.expires)}.</>}
          </p>
        </div>
      )}
      <h3>Your invitations</h3>
      <StateOf of={list} what="your invitations" />
      {list.value?.length === 0 && <p className="quiet">You have invited nobody.</p>}
      <ul className="items">
        {list.value?.map((one) => (
          <li key={one.id}>
            <p>
              <b>{OFFER_WORDS[one.as as Offer]?.split(":")[0] ?? one.as}</b> · {STATE_WORDS[one.state]}
              {one.became ? ` by ${nameOf(one.became)}` : ""}
            </p>
            <p className="quiet">
              {one.created !== undefined && <>Made {dayText(one.created)}. </>}
              {one.state === "open" && one.expires !== undefined && <>Good until {dayText(one.expires)}.</>}
            </p>
            {one.state === "open" && (
              <Confirm
                label="Withdraw it"
                meaning="Whoever has the link or the code can do nothing with it any more."
                yes="Yes, withdraw"
                disabled={saving.step === "sending"}
                onYes={() => void withdraw(one.id)}
              />
            )}
          </li>
        ))}
      </ul>
    </section>
  );
}
