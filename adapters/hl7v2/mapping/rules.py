"""Compiles rules: what is written in YAML becomes functions of a place in a message.

A text is a path with steps (``PID-7 | date``), ``=text`` a literal, ``->name`` a reference to the resource of that
rule, ``=>name`` references to all of them below; numbers and truth values are literals; objects and lists are made of
rules. What yields nothing is left out, and so is an object with nothing in it.
"""

import base64
import hashlib
import json
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from adapters.hl7v2.mapping.mapped import BY_NAME
from adapters.hl7v2.mapping.outcome import ABSENT, NULL, is_value
from adapters.hl7v2.mapping.paths import Path, read_path
from adapters.hl7v2.mapping.scope import Scope
from adapters.hl7v2.mapping.steps import ON_NOTHING, SIMPLE, Step, default_step, table_step, text
from fhirserver.wire.hl7v2.message import Part

Rule = Callable[[Scope], Any]
_SHAPES: Final = ("code", "coding", "concept")
_OPERATORS: Final = frozenset(
    (
        "$when",
        "$need",
        "$each",
        "$of",
        "$first",
        "$merge",
        "$join",
        "$with",
        "$as",
        "$digest",
        "$later",
    )
)
# These make a value of others, and stand alone ($join with $with).
_MAKERS: Final = ("$first", "$merge", "$join", "$digest", "$later")
_TESTS: Final = frozenset(
    ("path", "in", "not-in", "matches", "not-matches", "exists", "all", "any")
)
_DIGEST_LENGTH: Final = 32
_STEPS: Final = re.compile(r"\s*\|\s*")


class Compiler:
    """Compiles the rules of one mapping. `read` gathers the fields they speak of, `problems` what is wrong with them."""

    def __init__(self, tables: Mapping[str, Any], datatypes: Mapping[str, Any]) -> None:
        """Know the names of tables and the rules of datatypes."""
        self._tables = tables
        self._datatypes = datatypes
        self._compiled: dict[str, Rule] = {}
        self._compiling: list[str] = []
        self.read: set[tuple[str, int]] = set()
        self.named: set[str] = set()
        self.problems: list[str] = []

    def rule(self, given: Any, place: str) -> Rule:
        """Return the rule written as `given` at `place`; what is wrong with it goes to `problems`."""
        if isinstance(given, str):
            return self._text(given, place)
        if isinstance(given, bool | int | float):
            return lambda _: given
        if isinstance(given, list):
            return self._list(given, place)
        if isinstance(given, dict):
            return self._object(given, place)
        return self._wrong(place, "a rule is a text, a number, a truth value, an object or a list")

    def condition(self, given: Any, place: str) -> Callable[[Scope], bool]:
        """Return the condition written as `given`: a path that must hold something, or an object of tests."""
        if isinstance(given, str):
            path = self.path(given, place)
            return lambda scope: any(not one.is_null for one in path.find(scope))
        if not isinstance(given, dict) or not given or given.keys() - _TESTS:
            self._wrong(place, f"a condition has {', '.join(sorted(_TESTS))}")
            return lambda _: False
        tests: list[Callable[[Scope], bool]] = []
        for name, join in (("all", all), ("any", any)):
            if name in given:
                parts = [
                    self.condition(one, f"{place}.{name}[{number}]")
                    for number, one in enumerate(given[name])
                ]
                tests.append(lambda scope, j=join, p=parts: j(one(scope) for one in p))  # type: ignore[misc]  # bound now
        if "path" in given:
            tests += self._tests(given, place)
        return lambda scope: all(test(scope) for test in tests)

    def _tests(self, given: Mapping[str, Any], place: str) -> list[Callable[[Scope], bool]]:
        path = self.path(str(given["path"]), place)

        def found(scope: Scope) -> set[str]:
            return {(one.text() or "").strip().upper() for one in path.find(scope)}

        def listed(name: str) -> set[str]:
            return {str(one).strip().upper() for one in given.get(name, ())}

        wanted, unwanted = listed("in"), listed("not-in")
        tests: list[Callable[[Scope], bool]] = []
        if "in" in given:
            tests.append(lambda scope: bool(found(scope) & wanted))
        if "not-in" in given:
            tests.append(lambda scope: not found(scope) & unwanted)
        if "exists" in given:
            wanted_there = bool(given["exists"])
            tests.append(
                lambda scope: any(not one.is_null for one in path.find(scope)) is wanted_there
            )
        for name, wished in (("matches", True), ("not-matches", False)):
            if name not in given:
                continue
            try:
                fits = re.compile(str(given[name]), re.IGNORECASE).fullmatch
            except re.error as problem:
                self._wrong(place, f"{given[name]!r} is no pattern: {problem}")
                continue
            tests.append(
                lambda scope, fits=fits, wished=wished: any(map(fits, found(scope))) is wished  # type: ignore[misc]  # bound now
            )
        return tests

    def _text(self, given: str, place: str) -> Rule:
        if given.startswith("=>"):
            name = given[2:]
            self.named.add(name)
            return lambda scope: _references(scope.named_below(name)) or ABSENT
        if given.startswith("="):
            return lambda _: given[1:]
        if given.startswith("->"):
            name = given[2:]
            self.named.add(name)
            return lambda scope: _reference(scope.named(name))
        return self._steps(given, place)

    def _steps(self, given: str, place: str) -> Rule:
        written, *rest = _STEPS.split(given.strip())
        path = self.path(written, place)
        names = [one.split() for one in rest]
        steps = [self._step(one, place) for one in names]
        takes_nothing = bool(names) and names[0][:1] and names[0][0] in ON_NOTHING

        def one_of(value: Any, scope: Scope) -> Any:
            for step in steps:
                value = step(value, scope)
            return value if steps else text(value, scope)

        def evaluate(scope: Scope) -> Any:
            parts = path.find(scope)
            if path.is_list:
                found = [one_of(part, scope) for part in parts]
                return _gathered(found)
            if not parts and not takes_nothing:
                return one_of(ABSENT, scope) if _defaults(names) else ABSENT
            return one_of(parts[0] if parts else ABSENT, scope)

        return evaluate

    def _step(self, words: list[str], place: str) -> Step:
        name, *arguments = words or [""]
        if name in SIMPLE and not arguments:
            step = SIMPLE[name]
            return (
                step
                if name in ON_NOTHING
                else lambda given, scope: step(given, scope) if is_value(given) else given
            )
        if (
            name == "table"
            and 1 <= len(arguments) <= 2
            and arguments[-1]
            and arguments[0] in self._tables
        ):
            shape = arguments[1] if len(arguments) > 1 else "code"
            if shape in _SHAPES:
                translate = table_step(arguments[0], shape)
                return lambda given, scope: translate(given, scope) if is_value(given) else given
        if name == "use" and len(arguments) == 1 and arguments[0] in self._datatypes:
            return self._use(arguments[0])
        if name == "default" and arguments and arguments[0].startswith("="):
            return default_step(" ".join(arguments)[1:])
        self._wrong(
            place, f"there is no step {' '.join(words)!r}, or its table or datatype is unknown"
        )
        return lambda given, _: given

    def _use(self, name: str) -> Step:
        def step(given: Any, scope: Scope) -> Any:
            if not is_value(given):
                return given
            if not isinstance(given, Part):
                return ABSENT
            if given.is_null:
                return NULL
            return self._compiled[name](scope.within(given))

        if name not in self._compiled and name not in self._compiling:
            self._compiling.append(name)
            self._compiled[name] = self.rule(self._datatypes[name], f"datatypes.{name}")
            self._compiling.remove(name)
        return step

    def _list(self, given: list[Any], place: str) -> Rule:
        rules = [self.rule(one, f"{place}[{number}]") for number, one in enumerate(given)]
        return lambda scope: _gathered([rule(scope) for rule in rules])

    def _object(self, given: Mapping[Any, Any], place: str) -> Rule:
        if any(not isinstance(key, str) for key in given):
            return self._wrong(place, "an element is named by text; put it in quotes")
        unknown = [key for key in given if key.startswith("$") and key not in _OPERATORS]
        if unknown:
            return self._wrong(place, f"there is no operator {unknown[0]}")
        maker = next((one for one in _MAKERS if one in given), None)
        if maker is not None:
            return self._maker(maker, given, place)
        rules = {
            key: self.rule(value, f"{place}.{key}")
            for key, value in given.items()
            if not key.startswith("$")
        }
        when = self.condition(given["$when"], place) if "$when" in given else None
        needed = given.get("$need", ())
        needed = (needed,) if isinstance(needed, str) else tuple(needed)

        def made(scope: Scope) -> Any:
            if when is not None and not when(scope):
                return ABSENT
            found = {key: value for key, rule in rules.items() if is_value(value := rule(scope))}
            return found if found and all(key in found for key in needed) else ABSENT

        if "$of" in given:
            name = str(given["$of"])
            self.named.add(name)
            return lambda scope: _gathered([made(one) for one in scope.below(name)])
        if "$each" not in given:
            return made
        each = self.path(str(given["$each"]), place)
        return lambda scope: _gathered([made(scope.within(part)) for part in each.find(scope)])

    def _maker(self, name: str, given: Mapping[str, Any], place: str) -> Rule:
        """Compile an object that is one value made of others."""
        if given.keys() - {name} - ({"$with", "$as"} if name == "$join" else set()):
            return self._wrong(place, f"{name} stands alone")
        if name == "$join":
            joined = self.rule(given[name], f"{place}.{name}")
            between, encoded = str(given.get("$with", "\n")), given.get("$as") == "base64"
            if "$as" in given and not encoded:
                return self._wrong(place, "$as is base64")
            return lambda scope: _joined(joined(scope), between, encoded=encoded)
        if not isinstance(given[name], list):
            return self._wrong(place, f"{name} has a list")
        rules = [self.rule(one, f"{place}.{name}[{n}]") for n, one in enumerate(given[name])]
        make = {"$first": _first, "$merge": _merged, "$digest": _digest, "$later": _later}[name]
        return lambda scope: make([rule(scope) for rule in rules])

    def path(self, given: str, place: str) -> Path:
        """Return the path written as `given`; what is wrong with it goes to `problems`."""
        try:
            path = read_path(given)
        except ValueError as problem:
            self._wrong(place, str(problem))
            return Path(None, 0, ())
        if path.segment is not None:
            self.read.add((path.segment, path.field))
        return path

    def _wrong(self, place: str, message: str) -> Rule:
        self.problems.append(f"{place}: {message}")
        return lambda _: ABSENT


def _defaults(names: list[list[str]]) -> bool:
    return any(one[:1] == ["default"] for one in names)


def _gathered(found: list[Any]) -> Any:
    """Return a list of the values; those that are lists themselves are taken apart. NULL where that is all there is."""
    values: list[Any] = []
    for one in found:
        if isinstance(one, list):
            values += one
        elif is_value(one):
            values.append(one)
    return values or (NULL if NULL in found else ABSENT)


def _reference(name: str | None) -> Any:
    return ABSENT if name is None else {"reference": BY_NAME + name}


def _references(names: list[str]) -> list[Any]:
    return [_reference(one) for one in names]


def _first(found: list[Any]) -> Any:
    values = [one for one in found if is_value(one)]
    return values[0] if values else (NULL if NULL in found else ABSENT)


def _merged(found: list[Any]) -> Any:
    objects = [one for one in found if isinstance(one, dict)]
    return {key: value for one in objects for key, value in one.items()} or ABSENT


def _joined(found: Any, between: str, *, encoded: bool) -> Any:
    if not is_value(found):
        return found
    text_ = between.join(str(one) for one in (found if isinstance(found, list) else [found]))
    return base64.b64encode(text_.encode()).decode() if encoded else text_


def _digest(found: list[Any]) -> Any:
    """Return a name made of several values, nothing without the first: whoever sends them again means the same thing."""
    if not found or not is_value(found[0]):
        return ABSENT
    values = [str(one) if is_value(one) else None for one in found]
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:_DIGEST_LENGTH]


def _later(found: list[Any]) -> Any:
    """Return the moment that is so many minutes after another, with the same offset."""
    start, minutes = (*found, ABSENT, ABSENT)[:2]
    if not isinstance(start, str) or not isinstance(minutes, int):
        return ABSENT
    try:
        return (datetime.fromisoformat(start) + timedelta(minutes=minutes)).isoformat()
    except (ValueError, OverflowError):
        return ABSENT
