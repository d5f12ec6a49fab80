"""Until when a decision about access holds by itself, so that whoever remembers it knows when to ask again.

What people write moves the access epoch; this is about what changes because time passes. Spec:
https://hl7.org/fhir/R4/datatypes.html#Period
"""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Final

from fhirserver.kernel.principal import Grant, Relations

# Everything that ends or begins by itself is among what is looked at here, and the epoch says the rest: this bounds what
# a mistake in either could do.
LONGEST: Final = timedelta(minutes=1)


def holds_until(relations: Relations, now: datetime, grant: Grant | None = None) -> datetime:
    """Return the moment (aware, after `now`) from which what `relations` and `grant` allow has to be found out anew.

    That is the next beginning or end of a membership, provision, shift or of the token, and `LONGEST` from now at
    the latest.
    """
    coming = (one for one in _turns(relations, grant) if one is not None and one > now)
    return min((now + LONGEST, *coming))


def _turns(relations: Relations, grant: Grant | None) -> Iterator[datetime | None]:
    yield relations.until
    if grant is not None:
        yield grant.expires
    for membership in relations.memberships:
        yield membership.starts
        yield membership.ends
    for provision in relations.provisions:
        yield provision.starts
        yield provision.ends
