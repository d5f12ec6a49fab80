"""Who may invite whom, and as what.

An invitation is a secret that works once, for a week. It never gives more than its inviter may give,
at the moment it is made and again when it is accepted. It is accepted by somebody signed in: whoever
holds the paper alone has nothing.
"""

from typing import Final, Literal, get_args

from fhirserver.kernel.principal import Principal, PrincipalKind

Offer = Literal["care-partner", "guardian", "peer", "practitioner", "technician", "team-owner"]
OFFERS: Final[tuple[Offer, ...]] = get_args(Offer)

# What an inviter is to the patient and the team.
Standing = Literal["administrator", "clinic-admin", "owner", "patient", "guardian"]

# A peer is the patient's own choice alone; a guardian is a legal fact, which staff has seen the paper of.
MAY_INVITE: Final[dict[Standing, frozenset[Offer]]] = {
    "administrator": frozenset(OFFERS) - {"peer"},
    "clinic-admin": frozenset(OFFERS) - {"peer"},
    "owner": frozenset({"care-partner", "practitioner", "technician", "team-owner"}),
    "patient": frozenset({"care-partner", "peer"}),
    "guardian": frozenset({"care-partner"}),
}

_FAMILY: Final = frozenset[PrincipalKind](
    {"clinic-admin", "practitioner", "technician", "related-person", "patient"}
)
MAY_ACCEPT: Final[dict[Offer, frozenset[PrincipalKind]]] = {
    "care-partner": _FAMILY,
    "guardian": _FAMILY,
    "peer": frozenset({"patient"}),
    "practitioner": frozenset({"practitioner"}),
    "technician": frozenset({"technician"}),
    "team-owner": frozenset({"practitioner"}),
}


def may_invite(standing: Standing | None, offer: Offer) -> bool:
    """Return whether somebody of that standing may invite as `offer`; None: no standing at all."""
    return standing is not None and offer in MAY_INVITE[standing]


def may_accept(acceptor: Principal | None, offer: Offer, patient: str) -> bool:
    """Return whether `acceptor` may take up `offer` about `patient` (an id).

    None is somebody who has no role here yet: family only. Nobody is their own partner or peer.
    """
    if acceptor is None:
        return offer in ("care-partner", "guardian")
    return acceptor.kind in MAY_ACCEPT[offer] and acceptor.reference != f"Patient/{patient}"
