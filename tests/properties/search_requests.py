"""Random search requests in the whole language: modifiers, composites, chains, `_has`, `_filter`."""

from collections.abc import Mapping, Sequence
from random import Random

from fhirserver.definitions import SearchParameter, load
from fhirserver.search.entry import (
    Entry,
    LogicalEntry,
    OfTypeEntry,
    StringEntry,
    TextEntry,
    TokenEntry,
    UriEntry,
)
from tests.properties.search_samples import COMPARABLE, escaped, request, value_for, value_like

VALUE_SET = "http://example.org/vs"
LARGE_VALUE_SET = "http://example.org/large"
_NEEDLES = ("a", "an", "ann", "nn", "uller", "wolfeschl", "steiner", "x")
_PATHS = ("http://example.org", "http://example.org/p", "http://example.org/", "urn:q")
_LINKS: Mapping[str, tuple[str, ...]] = {
    "Observation": ("subject", "subject:Patient", "patient", "focus", "subject:Group"),
    "Encounter": ("subject", "patient"),
    "Task": ("owner", "patient", "subject:Patient"),
    "Flag": ("patient", "subject"),
    "CareTeam": ("participant", "patient"),
    "Patient": ("general-practitioner",),
    "Condition": ("subject:Patient",),
}
_REFERRERS = (
    ("Observation", "subject"),
    ("Observation", "patient"),
    ("Observation", "focus"),
    ("Flag", "patient"),
    ("Encounter", "subject"),
    ("CareTeam", "participant"),
)
_KINDS = ("plain", "plain", "modified", "chain", "has", "filter", "more", "composite")
_COMPOSITES = {
    "code-value-quantity": ("code", "value-quantity"),
    "code-value-concept": ("code", "value-concept"),
    "code-value-string": ("code", "value-string"),
    "component-code-value-quantity": ("component-code", "component-value-quantity"),
    "component-code-value-concept": ("component-code", "component-value-concept"),
    "combo-code-value-quantity": ("combo-code", "combo-value-quantity"),
}


class Requests:
    """Makes requests about a handful of resources, by type; `parameters` are the codes to use."""

    def __init__(
        self, dice: Random, parameters: Mapping[str, set[str]], entries: Sequence[Entry]
    ) -> None:
        self._dice = dice
        self._parameters = parameters
        self._entries = entries

    def pair(self, type_: str, id_: str) -> tuple[str, str]:
        """A random condition on resources of `type_`."""
        kind = self._dice.choice(_KINDS)
        if kind == "plain":
            types = {code: self._type(type_, code) for code in self._parameters[type_]}
            return request(self._dice, types, self._entries, id_)
        if kind == "modified":
            return self._modified(type_)
        if kind == "chain":
            return self._chain(type_, id_)
        if kind == "has":
            return self._has(type_, id_)
        if kind == "composite":
            return self._composite(type_, id_)
        if kind == "filter":
            return "_filter", self.filter(type_, 0)
        return self._more(type_)

    def _type(self, type_: str, code: str) -> str:
        parameter: SearchParameter = load().search_parameters(type_)[code]
        return parameter.type

    def _code(self, type_: str, *kinds: str) -> str | None:
        known = sorted(code for code in self._parameters[type_] if self._type(type_, code) in kinds)
        known = [code for code in known if code not in ("_id", "_lastUpdated")]
        return self._dice.choice(known) if known else None

    def _modified(self, type_: str) -> tuple[str, str]:
        dice = self._dice
        code = self._code(type_, "string", "token", "uri", "reference")
        assert code is not None
        entries = [one for one in self._entries if one.param == code]
        match self._type(type_, code):
            case "string":
                return code + ":contains", ",".join(self._needles(entries))
            case "uri":
                found = [one.value for one in entries if isinstance(one, UriEntry)]
                return code + dice.choice((":above", ":below")), escaped(
                    dice.choice((*_PATHS, *found)) + dice.choice(("", "/", "/more"))
                )
            case "reference":
                logical = [one for one in entries if isinstance(one, LogicalEntry)]
                if logical and dice.random() < 0.8:
                    one = dice.choice(logical)
                    return code + ":identifier", f"{escaped(one.system or '')}|{one.value or ''}"
                return code + ":identifier", value_for(dice, "token")
            case _:
                return self._coded(code, entries)

    def _coded(self, code: str, entries: Sequence[Entry]) -> tuple[str, str]:
        dice = self._dice
        modifier = dice.choice((":text", ":in", ":not-in", ":below", ":above", ":of-type"))
        if modifier in (":in", ":not-in"):
            return code + modifier, dice.choice((VALUE_SET, LARGE_VALUE_SET))
        if modifier == ":of-type":
            typed = [one for one in entries if isinstance(one, OfTypeEntry)]
            parts = ("urn:z", "A", "a")
            if typed:
                one = dice.choice(typed)
                parts = (one.system, one.code, dice.choice((one.value, "a")))
            return code + modifier, "|".join(map(escaped, parts))
        if modifier == ":text":
            return code + modifier, escaped(
                dice.choice(
                    [*_NEEDLES, *(e.value[:4] for e in entries if isinstance(e, TextEntry))]
                )
            )
        tokens = [one for one in entries if isinstance(one, TokenEntry) and one.system and one.code]
        token = dice.choice(tokens) if tokens else TokenEntry("", "urn:z", "A")
        return code + modifier, f"{escaped(token.system or '')}|{escaped(token.code or '')}"

    def _needles(self, entries: Sequence[Entry]) -> list[str]:
        dice = self._dice
        texts = [one.value for one in entries if isinstance(one, StringEntry)]
        found = list(dice.sample(_NEEDLES, 1))
        for text in texts[:1]:
            start = dice.randrange(len(text))
            found.append(escaped(text[start : start + dice.randint(1, 20)]))
        return [one for one in found if one.strip()]

    def _chain(self, type_: str, id_: str) -> tuple[str, str]:
        links = _LINKS.get(type_)
        if links is None:
            return self.pair(type_, id_)
        link = self._dice.choice(links)
        name, text = self.pair("Patient", id_)
        return (f"{link}.{name}", text) if name != "_filter" else self.pair(type_, id_)

    def _has(self, type_: str, id_: str) -> tuple[str, str]:
        from_, through = self._dice.choice(_REFERRERS)
        name, text = self.pair(from_, id_)
        if name == "_filter":
            return self.pair(type_, id_)
        return f"_has:{from_}:{through}:{name}", text

    def _more(self, type_: str) -> tuple[str, str]:
        dice = self._dice
        kind = dice.choice(("words", "list"))
        if kind == "list":
            return "_list", dice.choice(("l1", "l1,l2", "gone"))
        word = dice.choice(("ann", "anna", "muller", '"ann marie"', "ann or x", "not bob", "o"))
        return dice.choice(("_text", "_content")), word

    def _composite(self, type_: str, id_: str) -> tuple[str, str]:
        if type_ != "Observation":
            return self.pair(type_, id_)
        code = self._dice.choice(sorted(_COMPOSITES))
        return code, "$".join(self._component(one) for one in _COMPOSITES[code])

    def _component(self, code: str) -> str:
        found = [one for one in self._entries if one.param == code]
        kind = self._type("Observation", code)
        known = [one for one in found if isinstance(one, COMPARABLE)]
        if known and self._dice.random() < 0.8:
            return value_like(self._dice, self._dice.choice(known))
        return value_for(self._dice, kind)

    def filter(self, type_: str, depth: int) -> str:
        """A random `_filter` expression."""
        dice = self._dice
        roll = dice.random()
        if depth < 3 and roll < 0.25:
            word = dice.choice((" and ", " or "))
            return f"({self.filter(type_, depth + 1)}{word}{self.filter(type_, depth + 1)})"
        if depth < 3 and roll < 0.4:
            return f"not ({self.filter(type_, depth + 1)})"
        if roll < 0.5 and type_ in _LINKS:
            link = dice.choice(_LINKS[type_])
            return f"{link}.{self._test('Patient')}"
        return self._test(type_)

    def _test(self, type_: str) -> str:
        dice = self._dice
        code = self._code(
            type_, "string", "token", "uri", "reference", "date", "number", "quantity"
        )
        assert code is not None
        if dice.random() < 0.15:
            return f"{code} pr {dice.choice(('true', 'false'))}"
        kind = self._type(type_, code)
        found = [one for one in self._entries if one.param == code]
        match kind:
            case "string" | "uri":
                texts = [e.value for e in found if isinstance(e, StringEntry | UriEntry)]
                text = dice.choice([*texts, *_NEEDLES])
                start = dice.randrange(len(text))
                text = dice.choice((text, text[start:], text[:start] or text))
                quoted = text.replace("\\", "\\\\").replace('"', '\\"')
                return f'{code} {dice.choice(("eq", "ne", "co", "sw", "ew"))} "{quoted}"'
            case "token" | "reference":
                known: tuple[str, ...] = ("eq", "ne") if kind == "token" else ("eq", "re", "ne")
                value = value_for(dice, kind).replace("\\", "\\\\")
                return f'{code} {dice.choice(known)} "{value}"'
            case _:
                known = ("eq", "ne", "gt", "lt", "ge", "le", "ap", "sa", "eb")
                known = (*known, "po") if kind == "date" else known
                value = value_for(dice, kind)
                value = value[2:] if value[:2].isalpha() else value
                return f'{code} {dice.choice(known)} "{value}"'
