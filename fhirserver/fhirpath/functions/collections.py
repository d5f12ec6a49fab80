"""Existence, filtering, projection, subsetting, combining, navigation, aggregation.

Spec: https://hl7.org/fhirpath/N1/#existence, https://hl7.org/fhirpath/N1/#filtering-and-projection,
https://hl7.org/fhirpath/N1/#subsetting, https://hl7.org/fhirpath/N1/#combining,
https://hl7.org/fhirpath/N1/#tree-navigation, https://hl7.org/fhirpath/N1/#aggregates
"""

from collections.abc import Callable
from typing import Any, Final

from fhirserver.fhirpath.errors import EvaluationError
from fhirserver.fhirpath.functions.signature import Signature, on_expressions, on_values
from fhirserver.fhirpath.scope import Eval, Items, Scope
from fhirserver.fhirpath.values import distinct, integer, key, truth


def _where(scope: Scope, items: Items, criterion: Eval) -> Items:
    run = scope.run
    run.spend(len(items))
    found = []
    for index, item in enumerate(items):
        if truth(criterion(Scope(run, [item], index, scope.total)), "where()") is True:
            found.append(item)
    return found


def _select(scope: Scope, items: Items, projection: Eval) -> Items:
    run = scope.run
    found: Items = []
    for index, item in enumerate(items):
        found += projection(Scope(run, [item], index, scope.total))
        if len(found) > run.limits.items:
            break
    return run.bounded(found)


def _repeat(scope: Scope, items: Items, projection: Eval) -> Items:
    run = scope.run
    seen = set()
    found: Items = []
    pending = items
    while pending:
        following: Items = []
        for index, item in enumerate(pending):
            following += projection(Scope(run, [item], index, scope.total))
            run.bounded(following)
        pending = []
        for item in following:
            mark = key(item, run)
            if mark not in seen:
                seen.add(mark)
                pending.append(item)
        found += pending
        run.bounded(found)
    return found


def _exists(scope: Scope, items: Items, criterion: Eval | None = None) -> Items:
    if criterion is None:
        return [bool(items)]
    run = scope.run
    run.spend(len(items))
    return [
        any(
            truth(criterion(Scope(run, [item], index, scope.total)), "exists()") is True
            for index, item in enumerate(items)
        )
    ]


def _all(scope: Scope, items: Items, criterion: Eval) -> Items:
    run = scope.run
    run.spend(len(items))
    return [
        all(
            truth(criterion(Scope(run, [item], index, scope.total)), "all()") is True
            for index, item in enumerate(items)
        )
    ]


def _booleans(items: Items, what: str) -> list[bool]:
    found = []
    for item in items:
        value = getattr(item, "value", item)
        if type(value) is not bool:
            raise EvaluationError(f"{what} takes booleans")
        found.append(value)
    return found


def _tested(name: str, test: Callable[[list[bool]], bool]) -> Signature:
    return on_values(lambda _scope, items: [test(_booleans(items, name))])


def _subset(scope: Scope, items: Items, other: Items) -> Items:
    run = scope.run
    known = {key(one, run) for one in other}
    return [all(key(one, run) in known for one in items)]


def _superset(scope: Scope, items: Items, other: Items) -> Items:
    return _subset(scope, other, items)


def _is_distinct(scope: Scope, items: Items) -> Items:
    return [len(distinct(items, scope.run)) == len(items)]


def _single(_scope: Scope, items: Items) -> Items:
    if len(items) > 1:
        raise EvaluationError(f"single() finds {len(items)} items")
    return items


def _skip(_scope: Scope, items: Items, count: Items) -> Items:
    number = integer(count, "skip()")
    return [] if number is None else items[max(number, 0) :]


def _take(_scope: Scope, items: Items, count: Items) -> Items:
    number = integer(count, "take()")
    return [] if number is None else items[: max(number, 0)]


def _intersect(scope: Scope, items: Items, other: Items) -> Items:
    run = scope.run
    known = {key(one, run) for one in other}
    return [one for one in distinct(items, run) if key(one, run) in known]


def _exclude(scope: Scope, items: Items, other: Items) -> Items:
    run = scope.run
    known = {key(one, run) for one in other}
    return [one for one in items if key(one, run) not in known]


def _union(scope: Scope, items: Items, other: Eval) -> Items:
    return scope.run.bounded(distinct([*items, *other(scope)], scope.run))


def _combine(scope: Scope, items: Items, other: Eval) -> Items:
    return scope.run.bounded([*items, *other(scope)])


def _descendants(scope: Scope, items: Items) -> Items:
    run = scope.run
    found: Items = []
    pending = items
    while pending:
        pending = run.children(pending)
        found += pending
        run.bounded(found)
    return found


def _aggregate(scope: Scope, items: Items, step: Eval, start: Eval | None = None) -> Items:
    run = scope.run
    total = start(scope) if start is not None else []
    for index, item in enumerate(items):
        run.spend(1)
        total = step(Scope(run, [item], index, total))
    return total


def _iif(
    scope: Scope, items: Items, criterion: Eval, then: Eval, otherwise: Eval | None = None
) -> Items:
    if len(items) > 1:
        raise EvaluationError(f"iif() takes one item, there are {len(items)}")
    inner = Scope(scope.run, items, scope.index, scope.total)
    if truth(criterion(inner), "iif()") is True:
        return then(inner)
    return otherwise(inner) if otherwise is not None else []


def _trace(scope: Scope, items: Items, name: Eval, projection: Eval | None = None) -> Items:
    told = scope.run.environment.trace
    if told is not None:
        shown: Any = items if projection is None else _select(scope, items, projection)
        told(str(next(iter(name(scope)), "")), list(shown))
    return items


FUNCTIONS: Final[dict[str, Signature]] = {
    "empty": on_values(lambda _scope, items: [not items]),
    "exists": on_expressions(_exists, 0, 1),
    "all": on_expressions(_all),
    "allTrue": _tested("allTrue()", all),
    "anyTrue": _tested("anyTrue()", any),
    "allFalse": _tested("allFalse()", lambda values: not any(values)),
    "anyFalse": _tested("anyFalse()", lambda values: not all(values)),
    "subsetOf": on_values(_subset, 1),
    "supersetOf": on_values(_superset, 1),
    "count": on_values(lambda _scope, items: [len(items)]),
    "distinct": on_values(lambda scope, items: distinct(items, scope.run)),
    "isDistinct": on_values(_is_distinct),
    "where": on_expressions(_where),
    "select": on_expressions(_select),
    "repeat": on_expressions(_repeat),
    "single": on_values(_single),
    "first": on_values(lambda _scope, items: items[:1]),
    "last": on_values(lambda _scope, items: items[-1:]),
    "tail": on_values(lambda _scope, items: items[1:]),
    "skip": on_values(_skip, 1),
    "take": on_values(_take, 1),
    "intersect": on_values(_intersect, 1),
    "exclude": on_values(_exclude, 1),
    "union": on_expressions(_union),
    "combine": on_expressions(_combine),
    "children": on_values(lambda scope, items: scope.run.children(items)),
    "descendants": on_values(_descendants),
    "aggregate": on_expressions(_aggregate, 1, 2),
    "iif": on_expressions(_iif, 2, 3),
    "trace": on_expressions(_trace, 1, 2),
}
