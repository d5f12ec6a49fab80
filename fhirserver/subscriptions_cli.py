"""The command line for Subscriptions: ``python -m fhirserver subscriptions --help``."""

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import typer

from fhirserver.command_database import RefusedError
from fhirserver.kernel.ports import Transaction
from fhirserver.tenant_command import Tenant, in_tenant

app = typer.Typer(
    name="subscriptions",
    help="What Subscriptions are owed and were sent, and sending it again. Works while the server runs.",
    no_args_is_help=True,
)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Id = Annotated[str, typer.Argument(help="Id of the Subscription.")]

_COLUMNS = (
    ("SUBSCRIPTION", "subscription"),
    ("STATUS", "status"),
    ("CHANNEL", "channel"),
    ("NUMBERED", "lastNumber"),
    ("DELIVERED", "deliveredThrough"),
    ("LAG", "lagEvents"),
    ("LAG S", "lagSeconds"),
    ("FAILURES", "failures"),
    ("DEAD", "openDeadLetters"),
    ("TOPIC", "topic"),
)


@app.command(name="list")
def show_all(tenant: Tenant = "home", *, as_json: AsJson = False) -> None:
    """List every Subscription: its status, and how many events it is behind.

    NUMBERED: number of its last event. DELIVERED: the last one that was handed over. LAG: how many
    lie between. LAG S: seconds the oldest of these has waited. DEAD: how many were set aside.
    """
    from fhirserver import bootstrap  # noqa: PLC0415 - help and other commands start faster without

    found = in_tenant(tenant, bootstrap.administration.listed)
    typer.echo(_json(found) if as_json else _table(found))


@app.command()
def show(subscription: Id, tenant: Tenant = "home", *, as_json: AsJson = False) -> None:
    """Show one Subscription: where it stands, its latest attempts, and what was set aside and why."""
    from fhirserver import bootstrap  # noqa: PLC0415 - as above

    found = in_tenant(tenant, lambda tx: bootstrap.administration.shown(tx, subscription))
    if found is None:
        raise RefusedError(f"there is no Subscription {subscription!r}")
    typer.echo(_json(found) if as_json else _details(found))


@app.command()
def replay(
    subscription: Id,
    since: Annotated[
        int | None,
        typer.Option(min=1, help="Send every event from this number on again, in order."),
    ] = None,
    tenant: Tenant = "home",
    *,
    as_json: AsJson = False,
) -> None:
    """Send events again: what was set aside, or with --since everything from a number on.

    The server sends while the Subscription is active, and receivers can tell repetitions by their
    numbers. Events are kept for 72 hours.
    """
    from fhirserver import bootstrap  # noqa: PLC0415 - as above

    administration = bootstrap.administration

    async def act(tx: Transaction) -> Mapping[str, Any] | None:
        if since is None:
            return await administration.replay_dead_letters(tx, subscription)
        return await administration.replay_since(tx, subscription, since)

    found = in_tenant(tenant, act)
    if found is None:
        raise RefusedError(f"there is no Subscription {subscription!r}")
    if as_json:
        typer.echo(_json(found))
        return
    what = f"from number {since} on" if since else f"{found['deadLetters']} set aside"
    typer.echo(f"{subscription}: events {what} will be sent again; its status is {found['status']}")


def _json(found: object) -> str:
    return json.dumps(found, indent=2, ensure_ascii=False)


def _table(rows: Sequence[Mapping[str, Any]]) -> str:
    lines = [[title for title, _ in _COLUMNS]]
    lines += [[str(row[name]) for _, name in _COLUMNS] for row in rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def _details(found: Mapping[str, Any]) -> str:
    lines = [
        f"{name}: {'-' if value is None else value}"
        for name, value in found.items()
        if not isinstance(value, list)
    ]
    lines.append("latest attempts:")
    lines += [f"  {_attempt(one)}" for one in found["latestAttempts"]] or ["  none"]
    lines.append("set aside:")
    lines += [f"  {_letter(one)}" for one in found["deadLetters"]] or ["  nothing"]
    return "\n".join(lines)


def _attempt(one: Mapping[str, Any]) -> str:
    what = "no events" if one["first"] is None else f"events {one['first']} to {one['last']}"
    why = "" if one["failure"] is None else f": {one['failure']}"
    return f"{one['at']} {one['channel']}, {what}: {one['outcome'] or 'under way'}{why}"


def _letter(one: Mapping[str, Any]) -> str:
    state = (
        "sent again" if one["sentAt"] else "to be sent again" if one["wantedAt"] else "set aside"
    )
    return f"{one['at']} events {one['first']} to {one['last']}, {state}: {one['reason']}"
