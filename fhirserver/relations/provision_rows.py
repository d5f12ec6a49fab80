"""Provisions of Consents as plain values that a row can hold, and back."""

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from fhirserver.kernel.principal import Provision


def plain(one: Provision) -> dict[str, Any]:
    """Return what a row holds of a provision; patient and Consent are columns of their own."""
    return {
        "permits": one.permits,
        "level": one.level,
        "actors": sorted(one.actors),
        "roles": sorted(one.roles),
        "actions": sorted(one.actions),
        "classes": sorted(one.classes),
        "starts": None if one.starts is None else one.starts.isoformat(),
        "ends": None if one.ends is None else one.ends.isoformat(),
    }


def provisions(
    patient: str, consent: str, rows: Iterable[Mapping[str, Any]]
) -> tuple[Provision, ...]:
    """Return the provisions of a row, as they were."""
    return tuple(
        Provision(
            patient,
            consent,
            permits=row["permits"],
            level=row["level"],
            actors=frozenset(row["actors"]),
            roles=frozenset(row["roles"]),
            actions=frozenset(row["actions"]),
            classes=frozenset(row["classes"]),
            starts=_instant(row["starts"]),
            ends=_instant(row["ends"]),
        )
        for row in rows
    )


def _instant(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
