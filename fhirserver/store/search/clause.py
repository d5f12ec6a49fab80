"""Pieces of WHERE clauses with their arguments, and how they are joined. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from math import inf
from typing import Any, Final, NamedTuple

import msgspec
from msgspec.structs import replace

from fhirserver.crypto.blind_index import distinct


class Estimate(NamedTuple):
    """About how many rows meet a condition, their share of all rows of the type, and what testing one row costs.

    A test costs 1 where it is no more than looking at the row.
    """

    rows: float
    share: float
    cost: float = 1.0


class Span(NamedTuple):
    """Rows that begin before `before` and end behind `after`; None where there is no such bound.

    Those that are no longer than a day begin behind `start` then.
    """

    start: datetime | None
    after: datetime | None
    before: datetime | None


# Nearly every row meets it: it says whose rows are looked at, and of which type.
EVERY: Final = Estimate(inf, 1.0, 0.0)


class Clause(msgspec.Struct, frozen=True):
    """A condition on the rows of one table alias. Its text is made of our own words and numbers; values are `args`.

    `required` are keys that a row must all have beside it, kept apart so that they end up in one index condition.
    `rare` says that few rows can meet it, which an index finds: they are better found first and put in order then.
    `drivers` are the conditions in it that all rows meet and that ranges can be looked up by. `patient` is the key of the
    one patient whose rows it lets pass, where it is known, `span` the time they are of. `estimate` is None where nobody knows.
    A conjunction has its `parts`, which stand in it one behind the other, and `asked` for its required keys.
    """

    sql: str
    args: tuple[Any, ...] = ()
    required: tuple[int, ...] = ()
    rare: bool = False
    drivers: tuple["Driver", ...] = ()
    patient: int | None = None
    estimate: Estimate | None = None
    span: Span | None = None
    parts: tuple["Clause", ...] = ()
    asked: tuple["Clause", ...] = ()

    @property
    def conjuncts(self) -> tuple["Clause", ...]:
        """What must all be met: the parts, or the whole."""
        if self.sql == "true":
            return ()
        return self.parts or ((replace(self, required=()) if self.required else self),)


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


def ends_behind(alias: str) -> str:
    """Return the condition, an index of times can be asked for it, that a row begins behind one moment or ends behind another.

    What is no longer than a day began at most a day before it ended; the others have an index of their own.
    """
    long = f"(({alias}.time_end - {alias}.time) > interval '1 day' AND {alias}.time_end > %s)"
    return f"({alias}.time > %s OR {long})"


def keys_required(keys: Iterable[int], estimate: Estimate | None = None) -> Clause:
    """Return the condition that a row has all of `keys`; without an estimate, one of them is rare."""
    return Clause("true", (), tuple(keys), estimate is None, estimate=estimate)


def settled(clause: Clause, alias: str) -> Clause:
    """Return `clause` with its required keys written out for `alias`."""
    if not clause.required:
        return clause
    rare = any(one.rare for one in clause.asked) if clause.asked else clause.rare
    keys = Clause(
        f"{alias}.keys @> %s::bigint[]",
        (distinct(clause.required),),
        rare=rare,
        estimate=None if rare else _together(clause.asked or (clause,)),
    )
    if clause.sql == "true":
        return replace(clause, sql=keys.sql, args=keys.args, required=(), asked=(), parts=(keys,))
    both = _joined((keys, Clause(clause.sql, clause.args)), " AND ")
    parts = (keys, *clause.conjuncts)
    return replace(clause, sql=both.sql, args=both.args, required=(), asked=(), parts=parts)


def all_of(clauses: Sequence[Clause]) -> Clause:
    """Return the conjunction; of nothing, true."""
    if len(clauses) == 1:
        return clauses[0]
    texts: list[str] = []
    args: list[Any] = []
    required: list[int] = []
    drivers: list[Driver] = []
    parts: list[Clause] = []
    asked: list[Clause] = []
    rare, patient = False, None
    for one in clauses:
        if one.sql == "false":
            return NEVER
        if one.sql != "true":
            texts.append(one.sql)
            args += one.args
            parts += one.conjuncts
        if one.required:
            required += one.required
            asked += one.asked or (one,)
        drivers += one.drivers
        rare = rare or one.rare
        patient = one.patient if patient is None else patient
    return Clause(
        _all_texts(texts),
        tuple(args),
        tuple(required),
        rare,
        tuple(drivers),
        patient,
        parts=tuple(parts),
        asked=tuple(asked),
    )


def _all_texts(texts: Sequence[str]) -> str:
    match texts:
        case []:
            return "true"
        case [one]:
            return one
        case _:
            return f"({' AND '.join(texts)})"


def any_of(clauses: Sequence[Clause], alias: str) -> Clause:
    """Return the disjunction; of nothing, false."""
    if any(one.sql == "true" and not one.required for one in clauses):
        return ALWAYS
    plain = [one for one in clauses if one.sql != "false"]
    if not plain:
        return NEVER
    if len(plain) == 1:
        return plain[0]
    written = [settled(one, alias) for one in plain]
    joined = _joined(written, " OR ")
    rare = all(one.rare for one in plain)
    return Clause(joined.sql, joined.args, (), rare, estimate=None if rare else _either(written))


def _either(clauses: Iterable[Clause]) -> Estimate | None:
    """Return the estimate of a disjunction of keys; what is rare adds next to nothing."""
    rows, share, cost = 0.0, 0.0, 1.0
    for one in clauses:
        if one.rare:
            continue
        conjuncts = one.conjuncts
        known = conjuncts[0].estimate if len(conjuncts) == 1 else _together(conjuncts)
        if known is None:
            return None
        rows, share, cost = rows + known.rows, share + known.share, cost + known.cost
    return Estimate(rows, min(1.0, share), cost)


def _together(clauses: Iterable[Clause]) -> Estimate | None:
    """Return the estimate of a conjunction of keys, as if they had nothing to do with each other."""
    rows, share = inf, 1.0
    for one in clauses:
        if one.estimate is None:
            return None
        rows, share = min(rows, one.estimate.rows), share * one.estimate.share
    return Estimate(rows, share)


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
