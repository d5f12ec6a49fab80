"""Which slice a value belongs to: each discriminator of a slicing becomes one test.

A discriminator names a path; what the slice's definition says at that path tells what to look
for. The definition is followed through the slice's own elements, through slices inside it,
through the profiles its types name, and into fixed and pattern values given further up.

Spec: https://hl7.org/fhir/R4/profiling.html#discriminator
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from fhirserver.fhirpath.reference import type_of_reference
from fhirserver.validation.profiles.coded import is_outside
from fhirserver.validation.profiles.node import Discriminator, Node, TypeRule
from fhirserver.validation.profiles.place import ANY_RESOURCE, EXTENSION, Place
from fhirserver.validation.profiles.run import Check, Run
from fhirserver.validation.profiles.snapshot import Snapshot
from fhirserver.validation.profiles.values import fits, same

Matcher = Callable[[Place, Run], bool]
"""Whether a value belongs to one slice."""

_STEP = re.compile(
    r"(?P<this>\$this)|extension\('(?P<extension>[^']{1,500})'\)|(?P<resolve>resolve\(\))"
    r"|ofType\((?:FHIR\.)?(?P<type>[A-Za-z]{1,60})\)|(?P<name>[A-Za-z][A-Za-z0-9]{0,60})(?:\[x\])?"
)


class Profiles(Protocol):
    """The compiled profiles, as far as discriminators ask for them."""

    def snapshot(self, url: str) -> Snapshot | None:
        """Return the tree of a loaded profile."""

    def type_named(self, url: str) -> str | None:
        """Return the type a canonical is about: of an R4 type itself, or of a profile."""

    def item_check(self, node: Node) -> Check:
        """Return the check of one value against a node."""

    def conforms(self, place: Place, url: str, run: Run) -> bool:
        """Whether a value conforms to a profile; True for one that is not loaded."""


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a discriminator's path: `kind` is child, extension, resolve or type."""

    kind: str
    name: str = ""


class NotDiscriminatingError(Exception):
    """The definition of a slice does not say what its discriminator is to look for."""


def parse_steps(path: str) -> tuple[Step, ...]:
    """Return the steps of a path. Raises NotDiscriminatingError for what discriminators may not hold."""
    steps: list[Step] = []
    position = 0
    while position < len(path):
        found = _STEP.match(path, position)
        if found is None or (found.end() < len(path) and path[found.end()] != "."):
            raise NotDiscriminatingError(f"{path[:100]!r} is no path of a discriminator")
        position = found.end() + 1
        match found.lastgroup:
            case "extension":
                steps.append(Step("extension", found["extension"]))
            case "resolve":
                steps.append(Step("resolve"))
            case "type":
                steps.append(Step("type", found["type"]))
            case "name":
                steps.append(Step("child", found["name"]))
            case _:
                continue
    return tuple(steps)


def matcher(slice_: Node, discriminators: Iterable[Discriminator], profiles: Profiles) -> Matcher:
    """Return the test of one slice: all discriminators agree.

    Raises NotDiscriminatingError when the slice does not say what one of them needs.
    """
    tests = [_test(slice_, one, profiles) for one in discriminators]
    if not tests:
        raise NotDiscriminatingError("the slicing has no discriminator")
    if len(tests) == 1:
        return tests[0]

    def matches_all(place: Place, run: Run) -> bool:
        for test in tests:  # noqa: SIM110 - a generator costs more than the tests
            if not test(place, run):
                return False
        return True

    return matches_all


def _test(slice_: Node, discriminator: Discriminator, profiles: Profiles) -> Matcher:
    steps = parse_steps(discriminator.path)
    ends = list(_Definition(profiles).follow(slice_, steps))
    match discriminator.kind:
        case "value" | "pattern":
            return _by_value(steps, ends, profiles)
        case "exists":
            return _by_existence(steps, ends)
        case "type":
            return _by_type(steps, ends, profiles)
        case _:
            return _by_profile(steps, ends, profiles)


@dataclass(frozen=True, slots=True)
class _Given:
    """A value given further up that the path leads into."""

    value: Any


@dataclass(frozen=True, slots=True)
class _Target:
    """What a reference may lead to."""

    urls: tuple[str, ...]


_End = Node | _Given | _Target


class _Definition:
    """Follows a discriminator's path through what the profile says."""

    def __init__(self, profiles: Profiles) -> None:
        self._profiles = profiles

    def follow(self, slice_: Node, steps: Sequence[Step]) -> Iterator[_End]:
        ends: list[_End] = [slice_]
        for step in steps:
            ends = [after for end in ends for after in self._after(end, step)]
        yield from ends

    def _after(self, end: _End, step: Step) -> Iterator[_End]:
        match end:
            case _Given(value):
                if step.kind == "child" and isinstance(value, dict) and step.name in value:
                    inner = value[step.name]
                    yield from (
                        _Given(one) for one in (inner if isinstance(inner, list) else [inner])
                    )
            case _Target(urls):
                yield from self._into(urls, step)
            case Node():
                yield from self._within(end, step)

    def _within(self, node: Node, step: Step) -> Iterator[_End]:
        if step.kind == "type":
            every = (node, *node.slices.values())
            yield from (one for one in every if step.name in one.type_codes())
            return
        if step.kind == "resolve":
            targets = tuple(url for rule in node.types or () for url in rule.targets)
            if targets:
                yield _Target(targets)
            return
        name = "extension" if step.kind == "extension" else step.name
        child = node.children.get(name)
        if child is not None and step.kind == "extension":
            yield from (one for one in child.slices.values() if _extension_url(one) == step.name)
        elif child is not None:
            yield child
            yield from (one for one in child.slices.values() if one.min)
        for given in (node.fixed, node.pattern):
            if given is not None:
                yield from self._after(_Given(given.value), step)
        for rule in node.types or ():
            yield from self._into(rule.profiles, step)

    def _into(self, urls: Iterable[str], step: Step) -> Iterator[_End]:
        for url in urls:
            snapshot = self._profiles.snapshot(url)
            if snapshot is not None:
                yield from self._within(snapshot.root, step)


def _extension_url(slice_: Node) -> str | None:
    for rule in slice_.types or ():
        if rule.profiles:
            return rule.profiles[0].partition("|")[0]
    url = slice_.children.get("url")
    return str(url.fixed.value) if url is not None and url.fixed is not None else None


# ------------------------------------------------------------------------- what is looked for


def _by_value(steps: Sequence[Step], ends: Sequence[_End], profiles: Profiles) -> Matcher:
    criteria = [one for one in (_criterion(end, profiles) for end in ends) if one is not None]
    if not criteria:
        raise NotDiscriminatingError("the slice gives no value where its discriminator looks")

    def matches(place: Place, run: Run) -> bool:
        found = values_at(place, steps, run)
        for criterion in criteria:
            for one in found:
                if criterion(one, run):
                    break
            else:
                return False
        return True

    return matches


def _criterion(end: _End, profiles: Profiles) -> Matcher | None:
    match end:
        case _Given(given):
            return lambda place, _run: fits(place.value, given)
        case _Target():
            return None
    if end.fixed is not None:
        fixed = end.fixed.value
        return lambda place, _run: same(place.value, fixed)
    if end.pattern is not None:
        pattern = end.pattern.value
        return lambda place, _run: fits(place.value, pattern)
    if end.binding is not None and end.binding.strength == "required" and end.binding.value_set:
        return _in_value_set(end.binding.value_set)
    if any(one.fixed is not None or one.pattern is not None for one in end.nodes()):
        check = profiles.item_check(end)
        return lambda place, run: run.passes(check, place)
    return None


def _in_value_set(value_set: str) -> Matcher:
    def is_in(place: Place, run: Run) -> bool:
        members = run.terminology.members(value_set)
        return members is not None and not is_outside(place.value, members, required=True)

    return is_in


def _by_existence(steps: Sequence[Step], ends: Sequence[_End]) -> Matcher:
    nodes = [end for end in ends if isinstance(end, Node)]
    if any(one.max == 0 for one in nodes):
        return lambda place, run: not values_at(place, steps, run)
    if any(one.min for one in nodes):
        return lambda place, run: bool(values_at(place, steps, run))
    raise NotDiscriminatingError("the slice neither demands nor forbids the element")


def _by_type(steps: Sequence[Step], ends: Sequence[_End], profiles: Profiles) -> Matcher:
    codes = frozenset(_types_at(ends, profiles))
    if not codes:
        raise NotDiscriminatingError("the slice names no type where its discriminator looks")

    def matches(place: Place, run: Run) -> bool:
        return any(one.type in codes for one in values_at(place, steps, run, wanted=codes))

    return matches


def _types_at(ends: Iterable[_End], profiles: Profiles) -> Iterator[str]:
    for end in ends:
        match end:
            case _Target(urls):
                yield from filter(None, map(profiles.type_named, urls))
            case Node():
                for rule in end.types or ():
                    if rule.code in ANY_RESOURCE:
                        yield from filter(None, map(profiles.type_named, rule.profiles))
                    else:
                        yield rule.code


def _by_profile(steps: Sequence[Step], ends: Sequence[_End], profiles: Profiles) -> Matcher:
    urls = tuple(dict.fromkeys(_profiles_at(ends)))
    if not urls:
        raise NotDiscriminatingError("the slice names no profile where its discriminator looks")
    codes = frozenset(filter(None, map(profiles.type_named, urls)))

    def matches(place: Place, run: Run) -> bool:
        return any(
            # Of a reference that leads elsewhere only the type can be known.
            one.value is None or any(profiles.conforms(one, url, run) for url in urls)
            for one in values_at(place, steps, run, wanted=codes)
        )

    return matches


def _profiles_at(ends: Iterable[_End]) -> Iterator[str]:
    for end in ends:
        match end:
            case _Target(urls):
                yield from urls
            case Node():
                rules: tuple[TypeRule, ...] = end.types or ()
                for rule in rules:
                    yield from rule.profiles


# ----------------------------------------------------------------------- what a resource holds


def values_at(
    place: Place, steps: Sequence[Step], run: Run, wanted: frozenset[str] | None = None
) -> Sequence[Place]:
    """Return the values a path leads to.

    A reference to a resource that is not at hand gives a place without value that has the type
    the reference names; with `wanted`, only where it is one of those types.
    """
    found: Sequence[Place] = (place,)
    for step in steps:
        if len(found) == 1:
            found = _one_step(found[0], step, run, wanted)
        else:
            found = [after for one in found for after in _one_step(one, step, run, wanted)]
    return found


def _one_step(place: Place, step: Step, run: Run, wanted: frozenset[str] | None) -> Sequence[Place]:
    match step.kind:
        case "child":
            return place.children(run.names.of(place.type, step.name))
        case "extension":
            return [
                one
                for one in place.children(EXTENSION)
                if isinstance(one.value, dict) and one.value.get("url") == step.name
            ]
        case "type":
            return (place,) if place.type == step.name else ()
        case _:
            return tuple(_resolved(place, run, wanted))


def _resolved(place: Place, run: Run, wanted: frozenset[str] | None) -> Iterator[Place]:
    value = place.value
    text = value.get("reference") if isinstance(value, dict) else value
    found = run.target(text) if isinstance(text, str) else None
    if found is not None:
        yield Place(found, str(found.get("resourceType")), step=".resolve()", parent=place)
        return
    named = type_of_reference(value)
    if named is not None and wanted is not None and named in wanted:
        yield Place(None, named, step=".resolve()", parent=place)
