"""What an administrator does to accounts; each function is one transaction of the tenant, and told to the audit in it."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from fhirserver.accounts import attempts, one_time_code
from fhirserver.accounts.role import Role
from fhirserver.accounts.start_page import PURPOSE
from fhirserver.kernel.audit import Actor, Happening, What
from fhirserver.kernel.errors import NotFound, Unprocessable
from fhirserver.kernel.ports import Transaction
from fhirserver.kernel.resource import Json
from fhirserver.store import factors, people, sessions
from fhirserver.store.grants import end_grants
from fhirserver.store.people import Account
from fhirserver.store.relationships.people import PeopleRows

CODE_LIFETIME: Final = timedelta(hours=24)
_PEOPLE: Final = PeopleRows()
# What a Person can be linked to: https://hl7.org/fhir/R4/person-definitions.html#Person.link.target
_LINKED: Final = ("Patient", "Practitioner", "RelatedPerson")


@dataclass(frozen=True, slots=True)
class Overview:
    """An account as administrators see it; `open_sessions` counts browsers."""

    account: Account
    roles: Sequence[tuple[str, str]]
    factors: Sequence[str]
    open_sessions: int


async def add(tx: Transaction, login: str, name: str, language: str, roles: Sequence[Role]) -> str:
    """Make an account with its roles and its Person; return the code by which its human sets a password.

    Raises `Conflict` when the login name is taken, `Unprocessable` when a role names nothing.
    """
    account = await people.add(tx, login, name, language, None)
    for role in roles:
        await _require(tx, role)
        await people.link(tx, account, role.kind, role.reference)
    await tell_person(tx, account)
    _note(tx, account, "account-changed", "added")
    return await _code(tx, account)


async def link(tx: Transaction, login: str, role: Role) -> None:
    """Let the account act in one more role. Raises `NotFound`, `Unprocessable`."""
    account = await _account(tx, login)
    await _require(tx, role)
    await people.link(tx, account.id, role.kind, role.reference)
    await tell_person(tx, account.id)
    _note(tx, account.id, "role-changed", f"linked {role.kind}")


async def unlink(tx: Transaction, login: str, role: Role) -> None:
    """Take a role away; what was opened in it ends now. Raises `NotFound`."""
    account = await _account(tx, login)
    if not await people.unlink(tx, account.id, role.kind, role.reference):
        msg = f"{login!r} does not act as {role.kind} {role.reference}"
        raise NotFound(msg)
    await end_grants(tx, account=account.id)
    await tell_person(tx, account.id, role.reference)
    _note(tx, account.id, "role-changed", f"unlinked {role.kind}")


async def reset(tx: Transaction, login: str, *, factors_too: bool) -> str:
    """Take the password away, end everything it opened, and return the code for a new one. Raises `NotFound`."""
    account = await _account(tx, login)
    await people.set_password(tx, account.id, None)
    if factors_too:
        await factors.remove(tx, account.id)
    await _end(tx, account)
    _note(tx, account.id, "account-changed", "reset with factors" if factors_too else "reset")
    return await _code(tx, account.id)


async def disable(tx: Transaction, login: str, *, disabled: bool) -> None:
    """Close the account and end everything it opened, or open it again. Raises `NotFound`."""
    account = await _account(tx, login)
    await people.disable(tx, account.id, disabled=disabled)
    await tell_person(tx, account.id)
    if disabled:
        await _end(tx, account)
    _note(tx, account.id, "account-changed", "disabled" if disabled else "enabled")


async def unlock(tx: Transaction, login: str) -> bool:
    """Forget failed tries of this name; return whether there were any. Raises `NotFound`."""
    account = await _account(tx, login)
    password = await sessions.forgive(tx, attempts.named(account.login))
    code = await sessions.forgive(tx, attempts.second_factor_of(account.login))
    _note(tx, account.id, "account-changed", "unlocked")
    return password or code


async def listed(tx: Transaction) -> Sequence[Overview]:
    """Return every account, by login name."""
    return [
        Overview(
            account,
            await people.roles(tx, account.id),
            sorted({one.kind for one in await factors.of_account(tx, account.id)}),
            len(await sessions.of_account(tx, account.id)),
        )
        for account in await people.everybody(tx)
    ]


def _note(tx: Transaction, account: str, what: What, detail: str) -> None:
    actor = Actor(kind="admin", account=account)
    tx.audit(Happening(tx.tenant, what, tx.now, actor, detail=detail))


async def _account(tx: Transaction, login: str) -> Account:
    account = await people.by_login(tx, login)
    if account is None:
        msg = f"there is no account {login!r}"
        raise NotFound(msg)
    return account


async def _end(tx: Transaction, account: Account) -> None:
    await sessions.end(tx, account.id)
    await end_grants(tx, account=account.id)


async def _code(tx: Transaction, account: str) -> str:
    code = one_time_code.written(secrets.token_bytes(one_time_code.START_BYTES))
    expires = tx.now + CODE_LIFETIME
    await factors.offer(tx, one_time_code.digest(code), PURPOSE, account, expires)
    return code


async def _require(tx: Transaction, role: Role) -> None:
    if role.reference:
        type_, _, id_ = role.reference.partition("/")
        if await tx.get(type_, id_) is None:
            msg = f"{role.reference} is not known"
            raise Unprocessable(msg)


async def tell_person(tx: Transaction, account_id: str, gone: str | None = None) -> None:
    """Let the account's Person say which resources are the same human, in FHIR's own words; `gone` is one no more.

    A Person that links one of them already becomes the account's.
    """
    account = await people.by_id(tx, account_id)
    if account is None:
        return
    acting = [
        reference
        for _, reference in await people.roles(tx, account_id)
        if reference.partition("/")[0] in _LINKED
    ]
    id_ = account.person
    for reference in acting:
        id_ = id_ or await _PEOPLE.person_of(tx, reference)
    known = None if id_ is None else await tx.get("Person", id_, lock=True)
    person: Json = dict(known or {"resourceType": "Person", "name": [{"text": account.name}]})
    links = [one for one in person.pop("link", ()) if one["target"].get("reference") != gone]
    linked = {one["target"].get("reference") for one in links}
    links += [{"target": {"reference": one}} for one in acting if one not in linked]
    if links:
        person["link"] = links
    person["active"] = account.disabled is None
    if person == known:
        return
    stored = await tx.put(person, id_=id_)
    if account.person != stored.id:
        await people.set_person(tx, account_id, stored.id)
