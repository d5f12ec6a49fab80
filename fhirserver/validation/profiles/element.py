"""Compiles the nodes of a profile into checks.

A check of an item looks at one value, a check of a group at all values of one element under one
parent: how many there are, of which types, which slice each belongs to. Only what goes beyond the
base type is checked, because every resource is checked against that anyway; a node that demands
nothing more becomes no check at all.

Spec: https://hl7.org/fhir/R4/profiling.html, https://hl7.org/fhir/R4/elementdefinition.html
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from fhirserver.definitions import Definitions, Element
from fhirserver.fhirpath.reference import type_of_reference
from fhirserver.validation.profiles.coded import binding_check
from fhirserver.validation.profiles.condition import condition_check
from fhirserver.validation.profiles.discriminator import Profiles
from fhirserver.validation.profiles.node import Node, TypeRule, shape
from fhirserver.validation.profiles.place import ANY_RESOURCE, Place
from fhirserver.validation.profiles.run import Check, Run
from fhirserver.validation.profiles.slicing import slicing_check
from fhirserver.validation.profiles.values import fits, is_above, is_below, same

Places = Sequence[Place]

GroupCheck = Callable[[Place, Places, Run], None]
"""check(parent, the values of one element under it, run)."""

EXTENSION = "Extension"
REFERENCES = frozenset({"Reference", "canonical"})


class Compiled(Profiles, Protocol):
    """The compiled profiles, as far as elements ask for them."""

    def conformance(self, url: str) -> Check:
        """Return the check of a whole profile, which compiles itself when first used."""


class Compiler:
    """Compiles the tree of one profile."""

    def __init__(self, root: Node, definitions: Definitions, profiles: Compiled) -> None:
        self._root = root
        self._definitions = definitions
        self._profiles = profiles
        self._repeated: dict[str, Check] = {}

    def item(self, node: Node) -> Check | None:
        """Return the check of one value of `node`, None when it demands nothing."""
        checks = [
            *_value_checks(node),
            *self._binding(node),
            *self._conditions(node),
            *self._type_rules(node),
        ]
        children = self._children(node)
        if children is not None:
            checks.append(children)
        return _all(checks)

    def _binding(self, node: Node) -> list[Check]:
        found = binding_check(node.binding, node.element) if node.binding is not None else None
        return [] if found is None else [found]

    def _conditions(self, node: Node) -> list[Check]:
        known = {one.key for one in node.element.constraints} if node.element is not None else set()
        names = frozenset(self._definitions.structure_names)
        for code in node.type_codes():
            if code in names:
                known |= {one.key for one in self._definitions.structure(code).constraints}
        return [condition_check(one) for one in node.constraints.values() if one.key not in known]

    def _type_rules(self, node: Node) -> list[Check]:
        """Profiles on types, and what references may point at."""
        allowed = _allowed_types(node)
        checks: list[Check] = [] if allowed is None else [allowed]
        by_code: dict[str, list[str]] = {}
        for rule in node.types or ():
            by_code.setdefault(rule.code, []).extend(rule.profiles)
        for code, urls in by_code.items():
            if urls and not _is_base_profile(node.element, code, urls):
                checks.append(_conformance_check(code, tuple(urls), self._profiles))
        targets = _narrowed_targets(node)
        if targets:
            checks.append(_target_check(targets, self._profiles))
        return checks

    def _children(self, node: Node) -> Check | None:
        groups: list[tuple[str, GroupCheck]] = []
        for child in node.children.values():
            group = self._group(child)
            if group is not None:
                groups.append((child.name, group))
        for element in shape(node, self._definitions):
            if element.content_reference is not None:
                repeated = self._repetition(element)
                if repeated is not None:
                    groups.append((element.name, repeated))
        if not groups:
            return None

        def check_children(place: Place, run: Run) -> None:
            for name, check in groups:
                check(place, place.children(run.names.of(place.type, name)), run)

        return check_children

    def _repetition(self, element: Element) -> GroupCheck | None:
        """Elements that repeat another one's content must meet its demands, at any depth."""
        assert element.content_reference is not None
        target = self._root
        for name in element.content_reference.split(".")[1:]:
            child = target.children.get(name)
            if child is None:
                return None
            target = child

        def check_items(_parent: Place, places: Places, run: Run) -> None:
            if places:
                check = self._repeated.get(target.path)
                if check is None:
                    check = self._repeated[target.path] = self.item(target) or _nothing
                for place in places:
                    check(place, run)

        return check_items

    def _group(self, node: Node) -> GroupCheck | None:
        """The check of all values of `node`'s element under one parent."""
        checks: list[GroupCheck] = []
        cardinality = _cardinality(node)
        if cardinality is not None:
            checks.append(cardinality)
        item = self.item(node)
        if item is not None:
            checks.append(_each(item))
        if node.slices:
            checks.append(slicing_check(node, self.item, self._profiles))
        return _all_groups(checks)


def _nothing(_place: Place, _run: Run) -> None:
    return


def _all(checks: Sequence[Check]) -> Check | None:
    if len(checks) < 2:
        return checks[0] if checks else None
    every = tuple(checks)

    def check_all(place: Place, run: Run) -> None:
        for check in every:
            check(place, run)

    return check_all


def _all_groups(checks: Sequence[GroupCheck]) -> GroupCheck | None:
    if len(checks) < 2:
        return checks[0] if checks else None
    every = tuple(checks)

    def check_all(parent: Place, places: Places, run: Run) -> None:
        for check in every:
            check(parent, places, run)

    return check_all


def _each(item: Check) -> GroupCheck:
    def check_each(_parent: Place, places: Places, run: Run) -> None:
        for place in places:
            item(place, run)

    return check_each


# ---------------------------------------------------------------------------- single values


def _value_checks(node: Node) -> list[Check]:
    checks: list[Check] = []
    if node.fixed is not None:
        fixed = node.fixed.value
        checks.append(
            _demand(lambda value: same(value, fixed), "must be exactly the value the profile fixes")
        )
    if node.pattern is not None:
        pattern = node.pattern.value
        checks.append(
            _demand(
                lambda value: fits(value, pattern), "must hold what the profile's pattern holds"
            )
        )
    if node.least is not None:
        least = node.least.value
        checks.append(
            _demand(lambda value: not is_below(value, least), "is below the profile's minimum")
        )
    if node.most is not None:
        most = node.most.value
        checks.append(
            _demand(lambda value: not is_above(value, most), "is above the profile's maximum")
        )
    if node.max_length is not None:
        length = node.max_length
        checks.append(
            _demand(
                lambda value: not isinstance(value, str) or len(value) <= length,
                f"has at most {length} characters in this profile",
            )
        )
    return checks


def _demand(holds: Callable[[object], bool], message: str) -> Check:
    def check_value(place: Place, run: Run) -> None:
        if not holds(place.value):
            run.report("error", "value", place, message)

    return check_value


# ----------------------------------------------------------------- how many, of which types


def _cardinality(node: Node) -> GroupCheck | None:
    element = node.element
    base_min = element.min if element is not None else 0
    base_max = element.max if element is not None else None
    least = node.min if node.min is not None and node.min > base_min else 0
    most = node.max
    if most is not None and base_max is not None and most >= base_max:
        most = None
    if not least and most is None:
        return None
    name = node.name

    def check_count(parent: Place, places: Places, run: Run) -> None:
        if len(places) < least:
            # The element that is missing has no place; it is named under its parent.
            missing = Place(None, "", step=f".{name}", parent=parent)
            message = f"the profile demands at least {least} {name}, there are {len(places)}"
            run.report("error", "required", missing, message)
        elif most is not None and len(places) > most:
            message = f"the profile allows at most {most} {name}, there are {len(places)}"
            run.report("error", "structure", places[most], message)

    return check_count


def _allowed_types(node: Node) -> Check | None:
    if not node.types or node.element is None or node.element.elements:
        return None
    codes = frozenset(one.code for one in node.types)
    base = frozenset(one.code for one in node.element.types)
    if base <= codes or codes & ANY_RESOURCE:
        return None
    shown = ", ".join(sorted(codes))

    def check_type(place: Place, run: Run) -> None:
        if place.type not in codes:
            run.report("error", "structure", place, f"the profile allows only {shown} here")

    return check_type


# ----------------------------------------------------------------------------- types' profiles


def _is_base_profile(element: Element | None, code: str, urls: Sequence[str]) -> bool:
    """Whether the base type itself says the same (SimpleQuantity)."""
    base = element.types if element is not None else ()
    own = {one.profile for one in base if one.code == code and one.profile is not None}
    return bool(own) and {url.rpartition("/")[2] for url in urls} <= own


def _conformance_check(code: str, urls: tuple[str, ...], profiles: Compiled) -> Check:
    known = frozenset(url.partition("|")[0] for url in urls)
    single = profiles.conformance(urls[0]) if len(urls) == 1 else None
    shown = " or ".join(urls)

    def check_conformance(place: Place, run: Run) -> None:
        if type(place.value) is not dict or (place.type != code and code not in ANY_RESOURCE):
            return
        if code == EXTENSION and not run.is_trial and place.value.get("url") in known:
            # Every extension of the resource is checked against its own definition anyway.
            return
        if single is not None:
            single(place, run)
        elif not any(profiles.conforms(place, url, run) for url in urls):
            run.report("error", "structure", place, f"must conform to {shown}")

    return check_conformance


def _narrowed_targets(node: Node) -> tuple[str, ...]:
    rules: list[TypeRule] = [one for one in node.types or () if one.code in REFERENCES]
    if not rules or any(not one.targets for one in rules):
        return ()
    return tuple(dict.fromkeys(url for one in rules for url in one.targets))


def _target_check(urls: tuple[str, ...], profiles: Compiled) -> Check:
    types = {profiles.type_named(url) for url in urls}
    if None in types or types & ANY_RESOURCE:
        return _nothing
    shown = ", ".join(sorted(str(one) for one in types))

    def check_target(place: Place, run: Run) -> None:
        if place.type not in REFERENCES:
            return
        named = _target_type(place, run)
        if named is not None and named not in types:
            message = f"the profile allows only references to {shown} here"
            run.report("error", "structure", place, message)

    return check_target


def _target_type(place: Place, run: Run) -> str | None:
    value = place.value
    text = value.get("reference") if isinstance(value, dict) else value
    if place.type == "canonical" or not isinstance(text, str):
        return type_of_reference(value) if isinstance(value, dict) else None
    found = run.target(text) if text.startswith("#") else None
    return str(found.get("resourceType")) if found is not None else type_of_reference(value)
