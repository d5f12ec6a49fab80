"""Pieces of WHERE clauses with their arguments, and how they are joined. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from fhirserver.crypto.blind_index import distinct


@dataclass(frozen=True, slots=True)
class Clause:
    """A condition on the rows of one table alias. Its text is made of our own words and numbers; values are `args`.

    `required` are keys that a row must all have beside it, kept apart so that they end up in one index condition.
    `rare` says that few rows can meet it, which an index finds: they are better found first and put in order then.
    `drivers` are the conditions in it that all rows meet and that ranges can be looked up by. `patient` is the key of the
    one patient whose rows it lets pass, where it is known.
    """

    sql: str
    args: tuple[Any, ...] = ()
    required: tuple[int, ...] = ()
    rare: bool = False
    drivers: tuple["Driver", ...] = ()
    patient: int | None = None


@dataclass(frozen=True, slots=True)
class Stretch:
    """A condition on ``g`` that is one stretch of an index, and the column that index goes by."""

    clause: Clause
    column: str


@dataclass(frozen=True, slots=True)
class Walk:
    """A condition on ``g`` about rows of one parameter, which an index has in the order of ids.

    `beside` is what the resource must meet with it, None where that is nothing.
    """

    clause: Clause
    beside: Clause | None


@dataclass(frozen=True, slots=True)
class Driver:
    """A condition on ranges that resources can be looked up by: by value in `stretches`, by id in `walks`.

    Where not `exact`, some of those resources do not meet it: then `clause` must be asked of them as well.
    """

    clause: Clause
    stretches: tuple[Stretch, ...]
    walks: tuple[Walk, ...]
    exact: bool


ALWAYS: Final = Clause("true")
NEVER: Final = Clause("false")


def keys_required(keys: Iterable[int], *, rare: bool) -> Clause:
    """Return the condition that a row has all of `keys`."""
    return Clause("true", (), tuple(keys), rare)


def settled(clause: Clause, alias: str) -> Clause:
    """Return `clause` with its required keys written out for `alias`."""
    if not clause.required:
        return clause
    keys = Clause(f"{alias}.keys @> %s::bigint[]", (distinct(clause.required),))
    if clause.sql != "true":
        keys = _joined((keys, Clause(clause.sql, clause.args)), " AND ")
    return replace(clause, sql=keys.sql, args=keys.args, required=())


def all_of(clauses: Sequence[Clause]) -> Clause:
    """Return the conjunction; of nothing, true."""
    plain = [one for one in clauses if one.sql != "true"]
    if any(one.sql == "false" for one in plain):
        return NEVER
    joined = _joined(plain, " AND ") if plain else ALWAYS
    return Clause(
        joined.sql,
        joined.args,
        tuple(key for one in clauses for key in one.required),
        any(one.rare for one in clauses),
        tuple(driver for one in clauses for driver in one.drivers),
        next((one.patient for one in clauses if one.patient is not None), None),
    )


def any_of(clauses: Sequence[Clause], alias: str) -> Clause:
    """Return the disjunction; of nothing, false."""
    if any(one.sql == "true" and not one.required for one in clauses):
        return ALWAYS
    plain = [one for one in clauses if one.sql != "false"]
    if not plain:
        return NEVER
    if len(plain) == 1:
        return plain[0]
    joined = _joined([settled(one, alias) for one in plain], " OR ")
    return Clause(joined.sql, joined.args, (), all(one.rare for one in plain))


def negated(clause: Clause, alias: str) -> Clause:
    """Return the condition that `clause` does not hold: it is false or, for want of a value, unknown."""
    plain = settled(clause, alias)
    if plain.sql in ("true", "false"):
        return NEVER if plain.sql == "true" else ALWAYS
    return Clause(f"({plain.sql}) IS NOT TRUE", plain.args)


def without(clause: Clause, part: Clause) -> Clause:
    """Return the conjunction `clause` without its `part`."""
    before, found, after = clause.sql.partition(part.sql)
    if not found:
        return clause
    # The arguments stand in the order of their places.
    start = before.count("%s")
    args = (*clause.args[:start], *clause.args[start + len(part.args) :])
    return Clause(before + "true" + after, args, clause.required, clause.rare)


def _joined(clauses: Sequence[Clause], word: str) -> Clause:
    if len(clauses) == 1:
        return Clause(clauses[0].sql, clauses[0].args)
    text = word.join(one.sql for one in clauses)
    return Clause(f"({text})", tuple(arg for one in clauses for arg in one.args))
