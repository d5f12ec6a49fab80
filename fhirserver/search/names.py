"""From the name of a parameter to a criterion: modifiers, chains and reverse chains.

Spec: https://hl7.org/fhir/R4/search.html#chaining, https://hl7.org/fhir/R4/search.html#has
"""

from collections.abc import Callable, Sequence
from typing import Final

from fhirserver.definitions.model import SearchParameter
from fhirserver.kernel.errors import BadRequest
from fhirserver.search.criterion import AnyOf, Chain, Criterion, Has, InList, Not
from fhirserver.search.emitters import SearchDefinitions
from fhirserver.search.escape import split
from fhirserver.search.full_text_query import parse_full_text
from fhirserver.search.leaf import (
    WORDS,
    Leaves,
    supported_parameter,
    supported_parameters,
    target_types,
)
from fhirserver.search.modifiers import datatypes, modifiers
from fhirserver.search.refusal import OverBoundError, UnknownNameError, shown
from fhirserver.search.results import RESULT_PARAMETERS
from fhirserver.search.terminology import Terminology
from fhirserver.search.value import ID

# Links of one chain, `_has` included.
MAX_DEPTH: Final = 8
# Criteria of a whole request; a chain without types counts once for each type it may lead to.
MAX_CRITERIA: Final = 2000
LIST: Final = "_list"

# What stands at the end of a chain: the criterion for a parameter (None for one without a
# definition) with its modifier, as the caller wrote both.
Leaf = Callable[[str, str], Criterion]


class Names:
    """Reads names for one request, and counts what they stand for."""

    def __init__(
        self, definitions: SearchDefinitions, terminology: Terminology | None, base: str
    ) -> None:
        self._definitions = definitions
        self._leaves = Leaves(definitions, terminology, base)
        self._criteria = 0

    def criterion(self, type_: str, name: str, text: str) -> Criterion:
        """Return the criterion of one name/value pair. Raises `BadRequest`."""
        return self.path(type_, name, lambda at, leaf: self._pair(at, leaf, name, text))

    def path(self, type_: str, name: str, leaf: Leaf, depth: int = 0) -> Criterion:
        """Follow the chain in `name` and return the criterion that `leaf` makes at its end."""
        self._criteria += 1
        if self._criteria > MAX_CRITERIA:
            raise OverBoundError("the search has too many conditions; name the types in its chains")
        if depth > MAX_DEPTH:
            raise OverBoundError(f"a chain has more than {MAX_DEPTH} links")
        if name.startswith("_has:"):
            return self._has(type_, name, leaf, depth)
        head, dot, rest = name.partition(".")
        if not dot:
            return leaf(type_, name)
        inner: Leaf = lambda at, _: self.path(at, rest, leaf, depth + 1)  # noqa: E731
        return self.link(type_, head, inner)

    def link(self, type_: str, head: str, inner: Leaf) -> Chain:
        """Return the chain through ``reference`` or ``reference:Type`` to what `inner` makes."""
        code, colon, named = head.partition(":")
        parameter = self._reference_parameter(type_, code, head)
        if colon and named not in parameter.target:
            raise UnknownNameError(
                f"search parameter {shown(head)}: {shown(named)} is no type it can refer to; "
                f"it refers to {', '.join(parameter.target)}"
            )
        targets = (named,) if colon else target_types(parameter)
        branches: list[tuple[str, Criterion]] = []
        refusals: list[BadRequest] = []
        for target in targets:
            try:
                branches.append((target, inner(target, "")))
            except UnknownNameError as refusal:
                refusals.append(refusal)
        if not branches:
            if len(refusals) == 1:
                raise refusals[0]
            raise UnknownNameError(
                f"search parameter {shown(head)}: none of the types it refers to "
                f"({', '.join(targets)}) has the parameter that follows"
            )
        return Chain(code, tuple(branches), named=len(targets) == 1)

    def pair(
        self, type_: str, name: str, modifier: str, texts: Sequence[str], shown_name: str
    ) -> Criterion:
        """Return the criterion for a parameter by its code, with values already taken apart."""
        parameter = self.parameter(type_, name)
        return self._leaves.criterion(type_, parameter, modifier, texts, shown_name)

    def parameter(self, type_: str, code: str) -> SearchParameter:
        """Return a parameter of a type. Raises `UnknownNameError`."""
        parameter = supported_parameter(type_, code, self._definitions)
        if parameter is None:
            supported = sorted(supported_parameters(type_, self._definitions))
            known = ", ".join([*supported, LIST, "_has", "_filter", *RESULT_PARAMETERS])
            raise UnknownNameError(
                f"search parameter {shown(code)} is not supported for {type_}; supported: {known}"
            )
        return parameter

    def _pair(self, type_: str, leaf_name: str, name: str, text: str) -> Criterion:
        code, colon, modifier = leaf_name.partition(":")
        if code in WORDS:
            if colon:
                raise UnknownNameError(f"search parameter {shown(name)} takes no modifier")
            return parse_full_text("_text" if code == "_text" else "_content", text)
        if leaf_name == LIST:
            return AnyOf(tuple(_in_list(one) for one in split(text, ",")))
        parameter = self.parameter(type_, code)
        if colon and not self._leaves.takes(type_, parameter, modifier):
            raise UnknownNameError(self._unknown_modifier(type_, parameter, name))
        texts = split(text, ",")
        if code == "_id" and modifier == "not":
            return Not(self._leaves.criterion(type_, parameter, "", texts, name))
        return self._leaves.criterion(type_, parameter, modifier, texts, name)

    def _has(self, type_: str, name: str, leaf: Leaf, depth: int) -> Has:
        parts = name.split(":", 3)
        if len(parts) < 4 or not parts[3]:
            raise BadRequest(
                f"search parameter {shown(name)}: expected _has:Type:reference:parameter"
            )
        _, from_, code, rest = parts
        try:
            self._definitions.search_parameters(from_)
        except KeyError:
            raise UnknownNameError(
                f"search parameter {shown(name)}: {shown(from_)} is no resource type"
            ) from None
        parameter = self._reference_parameter(from_, code, name)
        if not {type_, "Resource"} & set(target_types(parameter)):
            raise UnknownNameError(
                f"search parameter {shown(name)}: {from_}.{code} does not refer to {type_}"
            )
        return Has(from_, code, self.path(from_, rest, leaf, depth + 1))

    def _reference_parameter(self, type_: str, code: str, name: str) -> SearchParameter:
        parameter = self.parameter(type_, code)
        if parameter.type != "reference":
            raise UnknownNameError(
                f"search parameter {shown(name)}: {type_}.{code} is no reference"
            )
        if datatypes(type_, parameter, self._definitions) <= {"canonical", "uri"}:
            raise UnknownNameError(
                f"search parameter {shown(name)}: {type_}.{code} is a canonical, "
                "which names no resource of this server and cannot be followed"
            )
        return parameter

    def _unknown_modifier(self, type_: str, parameter: SearchParameter, name: str) -> str:
        known = [f":{one}" for one in modifiers(type_, parameter, self._definitions)]
        if parameter.type == "reference":
            known.append(":Type (one of " + ", ".join(parameter.target) + ")")
        return (
            f"search parameter {shown(name)}: this modifier is not supported; "
            f"supported: {', '.join(known) or 'none'}"
        )


def _in_list(id_: str) -> InList:
    id_ = id_.removeprefix("List/")
    if ID.fullmatch(id_) is None:
        raise BadRequest(
            "parameter _list: expected the id of a List; lists such as $current-allergies, "
            "which a server makes up, are not supported"
        )
    return InList(id_)
