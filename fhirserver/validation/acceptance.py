"""Recognises valid resources quickly.

Nearly everything that is written is valid, and `structure` finds out why something is not; so
for each type a function is generated that only says yes or "look closer". It is Python source, made
from the definitions alone and compiled when a type is first seen: the elements met most are checked
in line, all others by the checks of `structure`. "Yes" means that `structure` would find nothing.
Extensions of primitives, contained resources and everything unusual are left to the closer look.

Spec: https://hl7.org/fhir/R4/validation.html
"""

import re
from collections.abc import Callable, Iterable
from decimal import Decimal
from typing import Any, Final

from fhirserver.definitions import Element, ElementType, Structure, load
from fhirserver.validation.bindings import code_check, required_codes
from fhirserver.validation.constraints import Invariant, invariants_of, wide_rules
from fhirserver.validation.findings import Check
from fhirserver.validation.primitives import MAX_STRING, primitive_check
from fhirserver.validation.references import plain_reference, reference_rule
from fhirserver.validation.structure import StructureCompiler, Table, element_rules

Accept = Callable[[Any], bool]

IN_LINE: Final[dict[str, tuple[str, ...]]] = {
    # type -> its JSON properties met most, most frequent first
    "CodeableConcept": ("coding", "text"),
    "Coding": ("system", "code", "display"),
    "Identifier": ("system", "value", "use", "type"),
    "Meta": ("versionId", "lastUpdated", "profile", "tag", "source"),
    "Observation": (
        *("resourceType", "id", "meta", "status", "category", "code", "subject"),
        *("effectiveDateTime", "valueQuantity", "component", "device", "identifier", "issued"),
    ),
    "Observation.component": ("code", "valueQuantity"),
    "Period": ("start", "end"),
    "Quantity": ("value", "unit", "system", "code"),
    "Reference": ("reference", "display"),
}
DEFAULT_IN_LINE: Final = 40
"""Properties in line for a type that is not listed: the first ones that it has."""

NEEDED: Final = {
    "obs-6": "'dataAbsentReason' in v",
    "obs-7": "n_value and 'component' in v",
    "qty-3": "'code' in v",
}
"""What must be there before an invariant can be broken; others are always asked."""

MOMENT: Final = re.compile(
    r"(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|1\d|2[0-8])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d"
    r"(?:\.\d{1,9})?(?:Z|[+-](?:0\d|1[0-3]):[0-5]\d)",
    re.ASCII,
).fullmatch
"""A time with its zone, on a day that every month has."""

_TEXT: Final = (
    f"type({{0}}) is not str or not {{0}} or len({{0}}) > {MAX_STRING} or not {{0}}.isprintable()"
)
_UNBROKEN: Final = "type({0}) is not str or not {0} or ' ' in {0} or not {0}.isprintable()"
_MOMENT: Final = "((type({0}) is not str or MOMENT({0}) is None) and check_%s({0}, v) is not None)"
DOUBTFUL: Final = {
    "boolean": "{0} is not True and {0} is not False",
    "canonical": _UNBROKEN,
    "code": _UNBROKEN,
    "dateTime": _MOMENT % "dateTime",
    "decimal": "type({0}) is not int and (type({0}) is not Decimal or not {0}.is_finite())",
    "id": (
        "type({0}) is not str or len({0}) > 64 or not {0}.isascii()"
        " or (not {0}.replace('-', '').isalnum() and ID({0}) is None)"
    ),
    "instant": _MOMENT % "instant",
    "markdown": _TEXT,
    "string": _TEXT,
    "uri": _UNBROKEN,
    "url": _UNBROKEN,
}
"""By primitive type: when a value {0} needs a closer look."""


class Acceptors:
    """The generated functions, by structure name or element path; each is made when needed."""

    def __init__(self, nested: Callable[[str], Check]) -> None:
        """`nested` gives the checks of `structure` for elements that are not in line."""
        self._nested = nested
        self._namespace: dict[str, Any] = {
            "Decimal": Decimal,
            "ID": re.compile(r"[A-Za-z0-9\-.]+").fullmatch,
            "MOMENT": MOMENT,
            "check_dateTime": primitive_check("dateTime"),
            "check_instant": primitive_check("instant"),
            "accept_resource": self.resource,
        }
        self._resources: dict[str, Accept] = {}

    def resource(self, value: Any) -> bool:
        """Whether `value` is certainly a valid resource without contained ones."""
        if type(value) is not dict:
            return False
        name = value.get("resourceType")
        accept = self._resources.get(name) if type(name) is str else None
        if accept is None:
            if not load().is_resource_type(name):
                return False
            accept = self._resources[str(name)] = self._function(load().structure(str(name)))
        return accept(value)

    def source(self, name: str) -> str:
        """The generated source for a structure, to be read by a person."""
        structure = load().structure(name)
        return _Source(structure, None, self._namespace, self).text()

    def datatype(self, code: str) -> Accept:
        """The function of a datatype."""
        return self._later(f"accept_{code}", load().structure(code), None)

    def backbone(self, structure: Structure, element: Element) -> Accept:
        """The function of an element with children."""
        return self._later(f"accept_{element.path.replace('.', '_')}", structure, element)

    def _later(self, name: str, structure: Structure, element: Element | None) -> Accept:
        """The function called `name`; until it is first called it is only a promise."""
        if name not in self._namespace:

            def first_call(value: Any) -> bool:
                if self._namespace[name] is first_call:
                    self._function(structure, element)
                return bool(self._namespace[name](value))

            self._namespace[name] = first_call
        found: Accept = self._namespace[name]
        return found

    def compiler(self, structure: Structure) -> StructureCompiler:
        """The compiler whose checks stand behind the generated function."""
        return StructureCompiler(structure, self._nested, self.backbone)

    def _function(self, structure: Structure, element: Element | None = None) -> Accept:
        source = _Source(structure, element, self._namespace, self)
        text = source.text()
        # Made of names and constants in the definitions this program ships, never of input.
        exec(compile(text, f"<accept {source.path}>", "exec"), self._namespace)  # noqa: S102 - made here
        found: Accept = self._namespace[source.name]
        return found


class _Source:
    """The source of one function."""

    def __init__(
        self,
        structure: Structure,
        element: Element | None,
        namespace: dict[str, Any],
        acceptors: Acceptors,
    ) -> None:
        self._structure = structure
        self._elements = structure.elements if element is None else element.elements
        constraints = structure.constraints if element is None else element.constraints
        self.path = structure.name if element is None else element.path
        self.name = f"accept_{self.path.replace('.', '_')}"
        self._rules = invariants_of(constraints, self.path)
        self._is_resource = element is None and structure.kind == "resource"
        self._wide = wide_rules(structure) if self._is_resource else []
        self._namespace = namespace
        self._acceptors = acceptors
        self._prefix = self.path.replace(".", "_")

    def text(self) -> str:
        table: Table = {}
        compiler = self._acceptors.compiler(self._structure)
        afterwards: list[str] = []
        places: dict[str, tuple[Element, ElementType | None]] = {}
        for element in self._elements:
            names = compiler.enter(element, table)
            types = dict(element.json_names()) if element.types and not element.elements else {}
            places |= {name: (element, types.get(name)) for name in names}
            afterwards += _presence(element, names)
        for key in [one for one in table if one.startswith("_") or one == "contained"]:
            del table[key]
        lines = [f"def {self.name}(v):", "    if type(v) is not dict: return False"]
        lines.append("    for k, x in v.items():")
        word = "if"
        if self._is_resource:
            lines += ["        if k == 'resourceType': pass"]
            word = "elif"
        for name in self._in_line(places):
            lines.append(f"        {word} k == {name!r}:")
            lines += [f"            {line}" for line in self._checked(name, *places[name])]
            word = "elif"
        rest = self._bound("rest", table)
        lines.append(f"        {'else' if word == 'elif' else 'if True'}:")
        lines.append(f"            f = {rest}.get(k)")
        lines.append("            if f is None or f(x, v) is not None: return False")
        if not any(element.min for element in self._elements) and not self._is_resource:
            afterwards.append("if not v or (len(v) == 1 and 'id' in v): return False")
        afterwards += [f"if {self._broken(one)}: return False" for one in self._rules]
        for number, wide in enumerate(self._wide):
            bound = self._bound(f"wide{number}", wide)
            afterwards.append(f"if {bound}(v) is not None: return False")
        lines += [f"    {one}" for one in afterwards]
        lines.append("    return True")
        return "\n".join(lines) + "\n"

    def _in_line(self, places: Iterable[str]) -> Iterable[str]:
        known = [name for name in places if name != "contained"]
        listed = IN_LINE.get(self.path)
        if listed is None:
            return known[:DEFAULT_IN_LINE]
        return [name for name in listed if name in known]

    def _checked(self, name: str, element: Element, element_type: ElementType | None) -> list[str]:
        variable = "y" if element.is_list else "x"
        doubt = self._doubt(name, element, element_type).format(variable)
        if not element.is_list:
            return [f"if {doubt}: return False"]
        return [
            "if type(x) is not list or not x: return False",
            "for y in x:",
            f"    if {doubt}: return False",
        ]

    def _doubt(self, name: str, element: Element, element_type: ElementType | None) -> str:
        """The condition under which a value {0} needs a closer look."""
        if element_type is None:
            target = element
            if element.content_reference is not None:
                found = self._structure.element(element.content_reference)
                target = found if found is not None else element
            self._acceptors.backbone(self._structure, target)
            return f"not accept_{target.path.replace('.', '_')}({{0}})"
        code = element_type.code
        kind = load().structure(code).kind
        if kind == "primitive-type":
            return self._primitive(name, element, code)
        if kind == "resource":
            return "not accept_resource({0})"
        self._acceptors.datatype(code)
        accept = f"accept_{code}"
        if code == "Reference":
            plain = self._bound(f"{name}_plain", plain_reference(element_type.targets))
            slow = self._bound(f"{name}_rule", reference_rule(element_type.targets))
            return f"not {plain}({{0}}) and not ({accept}({{0}}) and {slow}({{0}}, v) is None)"
        conditions = [f"not {accept}({{0}})"]
        for number, rule in enumerate(element_rules(element, element_type)):
            bound = self._bound(f"{name}_rule{number}", rule)
            conditions.append(f"{bound}({{0}}, v) is not None")
        return " or ".join(conditions)

    def _primitive(self, name: str, element: Element, code: str) -> str:
        binding = element.binding
        strength = binding.strength if binding is not None else None
        if binding is not None and strength == "required":
            value_set = required_codes(binding)
            if value_set.pattern is None:
                codes = self._bound(f"{name}_codes", value_set.all_codes)
                return f"type({{0}}) is not str or {{0}} not in {codes}"
        plain = DOUBTFUL.get(code)
        conditions = []
        if plain is not None and strength not in ("required", "extensible"):
            conditions.append(plain)
        else:
            check = code_check(primitive_check(code), binding)
            conditions.append(f"{self._bound(f'{name}_check', check)}({{0}}, v) is not None")
        for number, one in enumerate(invariants_of(element.constraints, code)):
            conditions.append(f"not {self._bound(f'{name}_holds{number}', one.holds)}({{0}})")
        return " or ".join(conditions)

    def _broken(self, rule: Invariant) -> str:
        bound = self._bound(f"holds_{rule.key.replace('-', '_')}", rule.holds)
        needed = NEEDED.get(rule.key)
        return f"not {bound}(v)" if needed is None else f"{needed} and not {bound}(v)"

    def _bound(self, name: str, value: Any) -> str:
        """Puts `value` where the generated function finds it, and returns its name there."""
        full = f"{self._prefix}__{name}"
        self._namespace[full] = value
        return full


def _presence(element: Element, names: tuple[str, ...]) -> list[str]:
    """Lines that find an element missing, or more than one of a choice."""
    if len(names) == 1:
        return [f"if {names[0]!r} not in v: return False"] if element.min > 0 else []
    count = f"n_{element.name}"
    wrong = "!= 1" if element.min > 0 else "> 1"
    summed = " + ".join(f"({name!r} in v)" for name in names)
    return [f"{count} = {summed}", f"if {count} {wrong}: return False"]
