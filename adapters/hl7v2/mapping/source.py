"""Mappings as they are written: YAML, the shipped ones and those of a site over them."""

import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any, Final

import yaml

from adapters.hl7v2.mapping.errors import MappingError

_PACKAGE: Final = "adapters.hl7v2.maps"
_CODES: Final = "codes"
_PARTS: Final = frozenset(("maps", "tables", "datatypes", "senders", "units", "codes", "unknown"))


class _Loader(yaml.SafeLoader):
    """YAML in which only true and false are truth values, dates and ``.1`` are texts, and a key stands once."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way to say so
        first: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag.removeprefix("tag:yaml.org,2002:") not in ("bool", "timestamp", "float")
        ]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def _mapping(loader: _Loader, node: yaml.MappingNode) -> dict[Any, Any]:
    keys = [loader.construct_object(key) for key, _ in node.value]
    twice = next((key for position, key in enumerate(keys) if key in keys[:position]), None)
    if twice is not None:
        raise yaml.MarkedYAMLError(problem=f"{twice!r} stands twice", problem_mark=node.start_mark)
    return loader.construct_mapping(node, deep=True)


_Loader.add_implicit_resolver("tag:yaml.org,2002:bool", re.compile(r"(?:true|false)"), list("tf"))
_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def read(name: str, content: bytes) -> dict[str, Any]:
    """Return the content of one file. Raises `MappingError`."""
    try:
        found = yaml.load(content, _Loader)  # noqa: S506 - it is a SafeLoader
    except (yaml.YAMLError, UnicodeDecodeError) as problem:
        mark = getattr(problem, "problem_mark", None)
        line = f" in line {mark.line + 1}" if mark is not None else ""
        said = getattr(problem, "problem", None) or "it is no YAML"
        raise MappingError([f"{name}: {said}{line}"]) from None
    if not isinstance(found, dict) or found.keys() - _PARTS:
        raise MappingError([f"{name}: a file has {', '.join(sorted(_PARTS))}"])
    return found


def shipped() -> list[tuple[str, bytes]]:
    """Return the product's own files, by name."""
    there = [one for one in files(_PACKAGE).iterdir() if one.name.endswith(".yaml")]
    return sorted((one.name, one.read_bytes()) for one in there)


def together(sources: Sequence[tuple[str, bytes]]) -> dict[str, Any]:
    """Return all `sources` as one: later ones over earlier ones, part by part; what is null in a later one is gone,
    but for codes of tables, which mean nothing then.

    A list of a later one replaces the list before it. Raises `MappingError` with what is wrong with every file.
    """
    problems: list[str] = []
    found: dict[str, Any] = {}
    for name, content in sources:
        try:
            given = read(name, content)
        except MappingError as error:
            problems += error.problems
            continue
        senders = [*found.get("senders", ()), *(given.pop("senders", None) or ())]
        found = _over(found, given)
        if senders:
            found["senders"] = senders
    if problems:
        raise MappingError(problems)
    return found


def _over(
    below: dict[str, Any], above: dict[str, Any], *, null_removes: bool = True
) -> dict[str, Any]:
    merged = dict(below)
    for key, value in above.items():
        if value is None and null_removes:
            merged.pop(key, None)
        elif isinstance(value, dict):
            known = merged.get(key)
            # A code of a table may mean nothing, which is not the same as standing in none.
            merged[key] = _over(
                known if isinstance(known, dict) else {}, value, null_removes=key != _CODES
            )
        else:
            merged[key] = value
    return merged
