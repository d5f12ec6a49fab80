"""The accounts of people in one process, put together."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from starlette.routing import Route

from fhirserver.accounts.desk import Desk, Rules
from fhirserver.accounts.encounters import Encounters
from fhirserver.accounts.lockout import ADDRESS, NAME
from fhirserver.accounts.pages import routes
from fhirserver.accounts.patients import Patients
from fhirserver.accounts.people import AccountPeople
from fhirserver.accounts.session import Limits
from fhirserver.interactions.context import Context
from fhirserver.kernel.audit import Auditing
from fhirserver.kernel.principal import Access
from fhirserver.store import sessions
from fhirserver.store.record import Record


@dataclass(frozen=True, slots=True)
class Accounts:
    """What others take of them: the authorization server `people`, the HTTP application `routes`."""

    people: AccountPeople
    routes: Sequence[Route]


def accounts(
    record: Record,
    context_of: Callable[[Access], Context],
    *,
    base_url: str,
    rules: Rules,
    auditing: Auditing,
    first_tenant: str,
) -> Accounts:
    """Return them; `context_of` is the way into the record of somebody who chooses a patient."""
    desk = Desk(record.transaction, record.tenants, base_url, rules, auditing, first_tenant)
    patients = Patients(record, context_of, record.now)
    encounters = Encounters(patients.context)
    return Accounts(AccountPeople(desk, patients, encounters), routes(desk, record))


def rules(idle_seconds: int, longest_seconds: int, second_factor: str) -> Rules:
    """Return the rules an operator set."""
    limits = Limits(timedelta(seconds=idle_seconds), timedelta(seconds=longest_seconds))
    return Rules(limits, second_factor)


async def forget(record: Record, longest_seconds: int) -> None:
    """Remove sessions, codes and failures that are over, in every tenant."""
    failed = max(NAME.forgotten, ADDRESS.forgotten)
    for tenant, _ in await record.tenants():
        async with record.transaction(tenant) as tx:
            await sessions.forget(tx, timedelta(seconds=longest_seconds), failed)
