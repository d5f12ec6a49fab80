// The care network: who is called, on which step, how, when not; and who may change that.

import { localReference } from "../fhir/read";
import type { CareTeam } from "../fhir/types";
import {
  channelWords,
  isOwnedBy,
  mayRemove,
  membersOf,
  quietWords,
  tierWords,
  type Member,
} from "../model/care_network";
import { standingOf } from "../model/invitations";
import { ActionResult } from "../act/action";
import { useLive, useNames } from "../view/live";
import { useLoaded } from "../view/use_loaded";
import { Confirm } from "./confirm";
import type { SectionProps } from "./index";
import { Invitations } from "./invitations";
import { MemberForm } from "./member_form";
import { OnCall } from "./on_call";
import { StateOf } from "./state_of";
import { useSaving } from "./use_saving";

export function TeamSection({ patient }: SectionProps): React.JSX.Element {
  const { server, feed } = useLive();
  const teams = useLoaded(async () => {
    const found = await server.searchAll("CareTeam", {
      patient,
      status: "active",
      _include: "CareTeam:participant",
    });
    feed.take(found);
    return found.filter(
      (one): one is CareTeam =>
        one.resourceType === "CareTeam" && localReference(one.subject?.reference) === patient,
    );
  }, [server, feed, patient]);
  return (
    <>
      <p>
        When an alarm rings, step 1 is told at once. If nobody comes, the next step is told, and so on. Nobody
        here calls an ambulance: people are asked to.
      </p>
      <StateOf of={teams} what="the care team" />
      {teams.value?.length === 0 && (
        <p>There is no care team, so nobody would be called. An administrator of the clinic makes one.</p>
      )}
      {teams.value?.map((team) => (
        <Team key={team.id} team={team} patient={patient} again={teams.again} />
      ))}
      {teams.value && <Invitations patient={patient} teams={teams.value} again={teams.again} />}
    </>
  );
}

interface TeamProps {
  readonly team: CareTeam;
  readonly patient: string;
  readonly again: () => void;
}

function Team({ team, patient, again }: TeamProps): React.JSX.Element {
  const { server, feed, person } = useLive();
  const nameOf = useNames();
  const saving = useSaving(again);
  const members = membersOf(team);
  const standing = standingOf(person.role, isOwnedBy(team, person.reference));
  const owners = members.filter((one) => one.isOwner).map((one) => nameOf(one.reference));
  const mayChange = standing === "owner" || standing === "clinic";
  const remove = (member: string) =>
    saving.save(
      () =>
        server.operate(`CareTeam/${team.id}/$remove-member`, {
          resourceType: "Parameters",
          parameter: [{ name: "member", valueString: member }],
        }),
      `${nameOf(member)} belongs to the team no more.`,
    );
  const id = `team-${team.id}`;
  return (
    <section className="card" aria-labelledby={id}>
      <h2 id={id}>{team.name ?? "Care team"}</h2>
      {standing !== "owner" && (
        <p className="why">
          {mayChange
            ? "You are not an owner of this team. Administrators of the clinic may change it; the server refuses it to everybody else."
            : "Who belongs to the team, and who is called when, is changed by its owners and by administrators of the clinic."}{" "}
          {owners.length > 0 ? `Owners: ${owners.join(", ")}.` : "The team has no owner."}
        </p>
      )}
      {!members.some((one) => one.tier === 1) && (
        <p className="problem">Nobody is on step 1: monitoring cannot be armed.</p>
      )}
      <ol className="items">
        {members.map((one) => (
          <li key={`${one.reference}-${one.index}`}>
            <MemberSummary member={one} />
            <div className="tools">
              {mayChange && (
                <MemberForm
                  member={one}
                  name={nameOf(one.reference)}
                  team={team}
                  saving={saving}
                  onSaved={(stored) => feed.take([stored])}
                />
              )}
              {mayRemove(one, standing, person.reference) && (
                <Confirm
                  label={
                    one.reference === person.reference ? "Leave the team" : `Remove ${nameOf(one.reference)}`
                  }
                  meaning={`${nameOf(one.reference)} will not be called any more and will not see this record any more, at once.`}
                  yes="Yes, remove"
                  disabled={saving.step === "sending"}
                  onYes={() => void remove(one.reference)}
                />
              )}
            </div>
          </li>
        ))}
      </ol>
      <ActionResult action={saving} />
      <OnCall team={team} patient={patient} mayChange={mayChange} saving={saving} />
    </section>
  );
}

function MemberSummary({ member }: { readonly member: Member }): React.JSX.Element {
  const nameOf = useNames();
  const { person } = useLive();
  const name =
    member.reference === person.reference
      ? "You"
      : member.isTeam
        ? (member.display ?? "A team on call")
        : nameOf(member.reference);
  return (
    <>
      <p>
        <b>{name}</b>
        {member.role ? ` · ${member.role}` : ""}
        {member.isOwner ? " · owner of the team" : ""}
      </p>
      <p>
        {tierWords(member.tier)}
        {member.tier !== undefined && (
          <>
            {member.order !== undefined ? `, place ${member.order}` : ""}, {channelWords(member.channels)}
          </>
        )}
      </p>
      {member.tier !== undefined &&
        member.quiet.map((one) => (
          <p key={`${one.start}${one.end}${one.zone}`} className="quiet">
            Quiet hours {quietWords(one)}
          </p>
        ))}
      {member.until && <p className="quiet">Until {new Date(member.until).toLocaleDateString()}</p>}
    </>
  );
}
