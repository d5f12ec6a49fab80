"""What a write transaction knows of the resources it has to do with, and what it requires of them."""

from dataclasses import dataclass

from fhirserver.kernel.errors import Forbidden, PreconditionFailed
from fhirserver.kernel.resource import WRITTEN_ONCE, Json, Stored
from fhirserver.store.versions import CurrentRow


@dataclass(slots=True)
class Known:
    """What a transaction knows of a resource it has locked or written; `row` None: there is none."""

    row: CurrentRow | None
    resource: Json | None = None
    stored: Stored | None = None


def one_of(patients: frozenset[str]) -> str | None:
    """Return the one patient, None when there is none or several."""
    return next(iter(patients)) if len(patients) == 1 else None


def require_version(if_match: int | None, version: int) -> None:
    """Raise `PreconditionFailed` when another version than the current one was expected."""
    if if_match is not None and if_match != version:
        msg = f"the current version is {version}, not {if_match}"
        raise PreconditionFailed(msg)


def require_changeable(type_: str) -> None:
    """Raise `Forbidden` for what stays as it was written; the database refuses to change it as well."""
    if type_ in WRITTEN_ONCE:
        msg = f"{type_}s are written once: nobody changes or deletes one."
        raise Forbidden(msg)
