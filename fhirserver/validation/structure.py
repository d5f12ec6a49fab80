"""Compiles each structure into a check, once, when a value of it is first seen.

A check is a closure over a table from JSON property name to the check of that property, so
validating a resource is one walk over it with one look-up per property. Elements of complex
types are compiled on first use too, which is also what makes recursive types possible.

What is checked here: unknown elements, missing ones, the JSON type, single or array, empty
arrays and objects, null, more than one of a choice, and the `_name` properties beside
primitives. Primitive values, codes, references and invariants have modules of their own.

Spec: https://hl7.org/fhir/R4/json.html#primitive, https://hl7.org/fhir/R4/conformance-rules.html
"""

from collections.abc import Callable, Sequence
from typing import Any

from fhirserver.definitions import Element, ElementType, Structure, load
from fhirserver.validation.bindings import binding_rule, code_check
from fhirserver.validation.constraints import Invariant, invariants_of, wide_rules
from fhirserver.validation.findings import (
    Check,
    Finding,
    Findings,
    Json,
    fault,
    joined,
    under,
    wrong_type,
)
from fhirserver.validation.primitives import primitive_check
from fhirserver.validation.references import reference_rule

Table = dict[str, Check]

Whole = Callable[[Json], Findings]
"""A rule about an object as a whole, after its properties."""


Quick = Callable[[Structure, Element], Callable[[Any], bool]]
"""Gives the function that recognises a valid value of an element with children."""


def compile_structure(name: str, nested: Callable[[str], Check], quick: Quick) -> Check:
    """The check of a resource type or complex datatype.

    `nested` gives the check for values of another datatype, and for elements that hold whole
    resources, by the element's path. KeyError for a name that is not in the definitions.
    """
    return StructureCompiler(load().structure(name), nested, quick).check()


def quickly(accept: Callable[[Any], bool], check: Check) -> Check:
    """`check`, asked only where `accept` does not know at once that there is nothing to find."""

    def check_value(value: Any, parent: Any) -> Findings:
        return None if accept(value) else check(value, parent)

    return check_value


class StructureCompiler:
    """Compiles one structure with its backbone elements."""

    def __init__(self, structure: Structure, nested: Callable[[str], Check], quick: Quick) -> None:
        self._structure = structure
        self._nested = nested
        self._quick = quick

    def check(self) -> Check:
        """The check of a whole value of the structure."""
        structure = self._structure
        rules = invariants_of(structure.constraints, structure.name)
        return self._object(structure.elements, rules, wide_rules(structure))

    def _object(
        self, elements: Sequence[Element], rules: Sequence[Invariant], wide: Sequence[Whole] = ()
    ) -> Check:
        table: Table = {}
        afterwards: list[Whole] = []
        for element in elements:
            names = self.enter(element, table)
            if len(names) > 1:
                afterwards.append(_choice(element.name, names, is_required=element.min > 0))
            elif element.min > 0:
                afterwards.append(_required(names[0]))
        if self._is_resource(elements):
            table["resourceType"] = _accept
        if rules:
            afterwards.append(_invariants(rules))
        afterwards += wide
        return _object_check(table, afterwards)

    def _is_resource(self, elements: Sequence[Element]) -> bool:
        return self._structure.kind == "resource" and elements is self._structure.elements

    def enter(self, element: Element, table: Table) -> tuple[str, ...]:
        """Puts the element's properties into `table`; returns their names without `_`."""
        if element.content_reference is not None or element.elements:
            _defer(table, element.name, lambda: self._listed(element, self._backbone(element)))
            return (element.name,)
        names = []
        for name, element_type in element.json_names():
            names.append(name)
            if load().structure(element_type.code).kind == "primitive-type":
                table[name] = self._primitive(element, name, element_type)
                table["_" + name] = _sibling_check(name, self._nested, is_list=element.is_list)
            else:
                _defer(table, name, self._complex_maker(element, element_type))
        return tuple(names)

    def _primitive(self, element: Element, name: str, element_type: ElementType) -> Check:
        check = code_check(primitive_check(element_type.code), element.binding)
        rules = invariants_of(element.constraints, element_type.code)
        if rules:
            check = _with_rules(check, [one.check for one in rules], str)
        return _primitive_list(name, check) if element.is_list else check

    def _complex_maker(self, element: Element, element_type: ElementType) -> Callable[[], Check]:
        return lambda: self._listed(element, self._complex(element, element_type))

    def _complex(self, element: Element, element_type: ElementType) -> Check:
        check = self._nested(
            element.path
            if load().structure(element_type.code).kind == "resource"
            else element_type.code
        )
        rules = element_rules(element, element_type)
        return _with_rules(check, rules, dict) if rules else check

    def _backbone(self, element: Element) -> Check:
        definition = element
        if element.content_reference is not None:
            target = self._structure.element(element.content_reference)
            if target is None:
                raise LookupError(f"no element {element.content_reference}")
            definition = target
        rules = invariants_of(definition.constraints, definition.path)
        check = self._object(definition.elements, rules)
        return quickly(self._quick(self._structure, definition), check)

    def _listed(self, element: Element, check: Check) -> Check:
        return _list_check(check) if element.is_list else check


def element_rules(element: Element, element_type: ElementType) -> list[Check]:
    """What an element asks of a complex value beyond what its type does."""
    rules: list[Check] = []
    if element_type.code == "Reference":
        rules.append(reference_rule(element_type.targets))
    if element_type.profile == "SimpleQuantity":
        rules.append(_check_simple_quantity)
    binding = binding_rule(element_type.code, element.binding)
    if binding is not None:
        rules.append(binding)
    rules.extend(one.check for one in invariants_of(element.constraints, element_type.code))
    return rules


def _accept(_value: object, _parent: object) -> Findings:
    return None


def _defer(table: Table, name: str, make: Callable[[], Check]) -> None:
    """Lets `table[name]` compile itself at its first call and step aside."""

    def first_call(value: object, parent: object) -> Findings:
        check = table[name] = make()
        return check(value, parent)

    table[name] = first_call


def _object_check(table: Table, afterwards: Sequence[Whole]) -> Check:
    whole = tuple(afterwards)

    def check_object(value: Any, _parent: object) -> Findings:
        if type(value) is not dict:
            return wrong_type("an object", value)
        found: list[Finding] | None = None
        for key, item in value.items():
            try:
                inner = table[key](item, value)
            except KeyError:
                if key in table:
                    raise
                inner = fault("structure", "unknown element")
            if inner is not None:
                found = joined(found, under(_step(key), inner))
        for rule in whole:
            more = rule(value)
            if more is not None:
                found = joined(found, more)
        if not value or ("id" in value and len(value) == 1):
            message = "ele-1: an object must hold more than an id"
            found = joined(found, fault("invariant", message))
        return found

    return check_object


def _step(key: str) -> str:
    """The path step of a property; odd names are quoted and cut, they may be anything."""
    return f".{key}" if key.isidentifier() else f".`{key[:64]}`"


def _required(name: str) -> Whole:
    sibling = "_" + name

    def check_present(value: Json) -> Findings:
        if name in value or sibling in value:
            return None
        return fault("required", f"{name} is required", f".{name}")

    return check_present


def _choice(name: str, names: Sequence[str], *, is_required: bool) -> Whole:
    group = frozenset(names) | {"_" + one for one in names}

    def check_choice(value: Json) -> Findings:
        if group.isdisjoint(value):
            return fault("required", f"{name}[x] is required", f".{name}") if is_required else None
        present = group.intersection(value)
        if len(present) == 1:
            return None
        shown = sorted({one.removeprefix("_") for one in present})
        if len(shown) == 1:
            return None
        return fault("structure", f"only one of {' and '.join(shown)} may be present")

    return check_choice


def _invariants(rules: Sequence[Invariant]) -> Whole:
    if len(rules) == 1:
        (only,) = rules
        only_holds = only.holds

        def check_invariant(value: Json) -> Findings:
            return None if only_holds(value) else [only.finding()]

        return check_invariant
    predicates = tuple((one.holds, one) for one in rules)

    def check_invariants(value: Json) -> Findings:
        found: list[Finding] | None = None
        for holds, rule in predicates:
            if not holds(value):
                found = joined(found, [rule.finding()])
        return found

    return check_invariants


def _list_check(check: Check) -> Check:
    def check_list(value: Any, _parent: object) -> Findings:
        if type(value) is not list:
            return wrong_type("an array", value)
        if not value:
            return fault("structure", "an array must not be empty")
        found: list[Finding] | None = None
        for index, item in enumerate(value):
            inner = check(item, value)
            if inner is not None:
                found = joined(found, under(f"[{index}]", inner))
        return found

    return check_list


def _primitive_list(name: str, check: Check) -> Check:
    """An array of primitives: null stands where only the `_name` array says something."""
    sibling = "_" + name

    def check_list(value: Any, parent: Any) -> Findings:
        if type(value) is not list:
            return wrong_type("an array", value)
        if not value:
            return fault("structure", "an array must not be empty")
        found: list[Finding] | None = None
        for index, item in enumerate(value):
            if item is None:
                if _item(parent.get(sibling), index) is not None:
                    continue
                inner: Findings = fault("structure", f"null needs an entry in {sibling}")
            else:
                inner = check(item, value)
            if inner is not None:
                found = joined(found, under(f"[{index}]", inner))
        return found

    return check_list


def _sibling_check(name: str, nested: Callable[[str], Check], *, is_list: bool) -> Check:
    """The `_name` property: id and extensions of the primitive `name`."""

    def check_single(value: Any, parent: Any) -> Findings:
        return nested("Element")(value, parent)

    def check_items(value: Any, parent: Any) -> Findings:
        if type(value) is not list:
            return wrong_type("an array", value)
        values = parent.get(name)
        if isinstance(values, list) and len(values) != len(value):
            return fault("structure", f"must have as many entries as {name}")
        found: list[Finding] = []
        for index, item in enumerate(value):
            if item is not None:
                found += under(f"[{index}]", check_single(item, value) or [])
            elif values is None:
                found += fault("structure", f"null needs an entry in {name}", f"[{index}]")
        if all(item is None for item in value):
            found += fault("structure", "an array must not be empty")
        return found or None

    return check_items if is_list else check_single


def _item(values: object, index: int) -> object:
    if isinstance(values, list) and index < len(values):
        return values[index]
    return None


def _check_simple_quantity(value: Json, _parent: object) -> Findings:
    if "comparator" in value:
        return fault("structure", "no comparator is allowed on a SimpleQuantity", ".comparator")
    return None


def _with_rules(check: Check, rules: Sequence[Check], kind: type) -> Check:
    """`check`, then each rule. The rules get values of `kind` only, but not always right ones."""

    def check_all(value: Any, parent: Any) -> Findings:
        found = check(value, parent)
        if type(value) is kind:
            for rule in rules:
                more = rule(value, parent)
                if more is not None:
                    found = joined(found, more)
        return found

    return check_all
