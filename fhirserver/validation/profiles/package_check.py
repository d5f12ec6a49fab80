"""Whether packages can be installed: everything in them valid, understood, and all they need present.

Spec: https://hl7.org/fhir/packages.html
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from fhirserver.definitions import Definitions
from fhirserver.definitions.canonicals import TOPIC
from fhirserver.definitions.custom_parameter import searched_bases
from fhirserver.definitions.package import Package, missing_dependencies
from fhirserver.kernel.errors import Problem
from fhirserver.validation import validate
from fhirserver.validation.profiles.authoring import canonical_problems

Json = dict[str, Any]

MAX_SHOWN = 50
"""Problems told of one attempt; the rest is counted."""


Check = Callable[[Json, Definitions], list[Problem]]
"""Why a resource cannot be used with what the definitions hold; none when it can."""


@dataclass(frozen=True, slots=True)
class Checks:
    """What other parts know: whether SearchParameters can be searched by, whether topics can fire."""

    parameter: Check
    topic: Check


def package_problems(
    packages: Sequence[Package],
    installed: Iterable[tuple[str, str]],
    definitions: Definitions,
    checks: Checks,
) -> list[str]:
    """Return why `packages` cannot be installed together, in words; none when they can.

    `installed` are names and versions of packages already there, `definitions` their content.
    """
    found = [
        f"{needer} needs {name}@{version}, which is neither installed nor given"
        for needer, name, version in missing_dependencies(packages, installed)
    ]
    if found:
        return found
    resources = [resource for package in packages for resource in package.resources]
    with_all = definitions.extended(resources, frozenset())
    every = [
        f"{package.label}: {line}"
        for package in packages
        for line in _content_problems(package, with_all, checks)
    ]
    if len(every) > MAX_SHOWN:
        return [*every[:MAX_SHOWN], f"and {len(every) - MAX_SHOWN} more problems"]
    return every


def _content_problems(package: Package, definitions: Definitions, checks: Checks) -> Iterator[str]:
    for resource in package.resources:
        name = f"{resource['resourceType']} {resource.get('url', resource.get('id', '?'))}"
        if "url" not in resource:
            yield f"{name}: has no url, so nothing can refer to it"
            continue
        for problem in _problems(resource, definitions, checks):
            if problem.severity in ("error", "fatal"):
                yield f"{name}: {problem.expression}: {problem.message}"


def _problems(resource: Json, definitions: Definitions, checks: Checks) -> list[Problem]:
    if resource["resourceType"] == TOPIC:
        # R4 knows no such type, so its own rules have nothing to say about it.
        return checks.topic(resource, definitions)
    problems: list[Problem] = [*validate(resource), *canonical_problems(resource, definitions)]
    own = searched_bases(resource, definitions)
    if own:
        problems += checks.parameter({**resource, "base": own}, definitions)
    return problems
