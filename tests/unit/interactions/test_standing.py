"""What an app's token needs before relationships are changed by it."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any, cast

import pytest

from fhirserver.auth import decide
from fhirserver.interactions.context import Context
from fhirserver.interactions.standing import require_own_hand
from fhirserver.kernel.errors import Forbidden
from fhirserver.kernel.principal import Grant, Principal, Relations

NINA = Principal(1, "practitioner", "Practitioner/nina")


def held(*scopes: str, launch: str | None = None) -> Context:
    grant = Grant(NINA, scopes, launch)
    access = decide(NINA, Relations(), datetime(2026, 3, 4, tzinfo=UTC), grant)
    return cast("Context", cast("Any", SimpleNamespace(access=access)))


@pytest.mark.parametrize(
    ("context", "patient"),
    [
        (held("user/CareTeam.u"), "joe"),
        (held("user/*.cruds"), None),
        (held("patient/*.cruds", launch="joe"), "joe"),
        (held("patient/*.cruds", launch="joe"), None),
    ],
)
def test_a_scope_to_update_care_teams_is_needed(context: Context, patient: str | None) -> None:
    require_own_hand(context, patient)


@pytest.mark.parametrize(
    "context",
    [
        held("user/*.rs"),
        held("user/CareTeam.u?status=active"),
        held("patient/*.cruds", launch="ann"),
        held("patient/*.cruds"),
        held(),
    ],
)
def test_an_app_that_was_opened_on_one_patient_opens_no_other_record(context: Context) -> None:
    with pytest.raises(Forbidden):
        require_own_hand(context, "joe")
