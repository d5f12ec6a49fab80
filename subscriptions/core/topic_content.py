"""The SubscriptionTopic resource as far as its form goes: R4B, and what R5 adds to it.

R4 has no such resource, so nothing else checks it: every element is named here, an unknown one is
refused, for a topic that asks for something this server does not know would promise too much.

Spec: https://hl7.org/fhir/R4B/subscriptiontopic.html, https://hl7.org/fhir/R5/subscriptiontopic.html
"""

from collections.abc import Mapping
from typing import Any, Literal

import msgspec

Interaction = Literal["create", "update", "delete"]
Result = Literal["test-passes", "test-fails"]
Status = Literal["draft", "active", "retired", "unknown"]


class Extension(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An extension with one of the values that topics use, or with extensions inside."""

    url: str
    id: str | None = None
    extension: tuple["Extension", ...] = ()
    valueString: str | None = None  # noqa: N815 - the name FHIR uses
    valueCode: str | None = None  # noqa: N815 - as above
    valueBoolean: bool | None = None  # noqa: N815 - as above


class Backbone(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What all parts of a topic may carry. An extension that changes meaning is not among it.

    `extension` stays as it was written, because extensions of others are none of our business.
    """

    id: str | None = None
    extension: tuple[dict[str, Any], ...] = ()
    description: str | None = None

    def own_extensions(self, url: str) -> tuple[Extension, ...]:
        """Return the extensions of one of our URLs. Raises `ValueError` for one of another form."""
        try:
            return tuple(
                msgspec.convert(_plain(one), Extension)
                for one in self.extension
                if one.get("url") == url
            )
        except msgspec.ValidationError as error:
            raise ValueError(f"extension {url}: {error}") from error


class QueryContent(Backbone, frozen=True, kw_only=True):
    """``resourceTrigger.queryCriteria``."""

    previous: str | None = None
    resultForCreate: Result | None = None  # noqa: N815 - the name FHIR uses
    current: str | None = None
    resultForDelete: Result | None = None  # noqa: N815 - as above
    requireBoth: bool = False  # noqa: N815 - as above


class TriggerContent(Backbone, frozen=True, kw_only=True):
    """``resourceTrigger``."""

    resource: str
    supportedInteraction: tuple[Interaction, ...] = ()  # noqa: N815 - the name FHIR uses
    queryCriteria: QueryContent | None = None  # noqa: N815 - as above
    fhirPathCriteria: str | None = None  # noqa: N815 - as above


class FilterContent(Backbone, frozen=True, kw_only=True):
    """``canFilterBy``; R4B lists comparators among the modifiers, R5 apart."""

    resource: str | None = None
    filterParameter: str | None = None  # noqa: N815 - the name FHIR uses
    filterDefinition: str | None = None  # noqa: N815 - as above
    modifier: tuple[str, ...] = ()
    comparator: tuple[str, ...] = ()


class ShapeContent(Backbone, frozen=True, kw_only=True):
    """``notificationShape``."""

    resource: str
    include: tuple[str, ...] = ()
    revInclude: tuple[str, ...] = ()  # noqa: N815 - the name FHIR uses


class TopicContent(Backbone, frozen=True, kw_only=True):
    """SubscriptionTopic. What is only said about it, to people, is read and left at that."""

    resourceType: Literal["SubscriptionTopic"] = "SubscriptionTopic"  # noqa: N815 - as above
    url: str
    version: str
    title: str
    status: Status
    resourceTrigger: tuple[TriggerContent, ...] = ()  # noqa: N815 - as above
    eventTrigger: tuple[dict[str, Any], ...] = ()  # noqa: N815 - as above
    canFilterBy: tuple[FilterContent, ...] = ()  # noqa: N815 - as above
    notificationShape: tuple[ShapeContent, ...] = ()  # noqa: N815 - as above
    meta: dict[str, Any] | None = None
    language: str | None = None
    text: dict[str, Any] | None = None
    contained: tuple[dict[str, Any], ...] = ()
    identifier: tuple[dict[str, Any], ...] = ()
    name: str | None = None
    derivedFrom: tuple[str, ...] = ()  # noqa: N815 - as above
    experimental: bool = False
    date: str | None = None
    publisher: str | None = None
    contact: tuple[dict[str, Any], ...] = ()
    useContext: tuple[dict[str, Any], ...] = ()  # noqa: N815 - as above
    jurisdiction: tuple[dict[str, Any], ...] = ()
    purpose: str | None = None
    copyright: str | None = None
    copyrightLabel: str | None = None  # noqa: N815 - as above
    versionAlgorithmString: str | None = None  # noqa: N815 - as above
    versionAlgorithmCoding: dict[str, Any] | None = None  # noqa: N815 - as above
    approvalDate: str | None = None  # noqa: N815 - as above
    lastReviewDate: str | None = None  # noqa: N815 - as above
    effectivePeriod: dict[str, Any] | None = None  # noqa: N815 - as above


def read(content: Mapping[str, Any]) -> TopicContent:
    """Return `content` as a SubscriptionTopic. Raises `ValueError` naming the place that is wrong."""
    try:
        return msgspec.convert(_plain(content), TopicContent)
    except msgspec.ValidationError as error:
        raise ValueError(str(error).replace("`$", "`SubscriptionTopic")) from error


def _plain(value: Any) -> Any:
    """Leave out what extends single values (``_title``): nothing here depends on it."""
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items() if not key.startswith("_")}
    if isinstance(value, list):
        return [_plain(one) for one in value]
    return value
