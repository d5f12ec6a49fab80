"""What a value set holds, once computed.

Spec: https://hl7.org/fhir/R4/valueset.html#expansion
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from fhirserver.kernel.resource import Json


class NotEnumerableError(Exception):
    """The members follow a rule (a grammar, a pattern) and cannot be listed."""


@dataclass(frozen=True, slots=True)
class Member:
    """One code of a value set. `designations` are as in the resource they come from."""

    system: str
    code: str
    display: str | None = None
    version: str | None = None
    inactive: bool = False
    abstract: bool = False
    designations: tuple[Json, ...] = ()


@dataclass(frozen=True, slots=True)
class Rule:
    """Codes of `system` for which `accepts` is true, where the system is a rule and no list."""

    system: str
    accepts: Callable[[str], bool]


class Members:
    """The members of a value set: a list of codes, or rules, or both.

    `used` are the code systems with the version that was used (canonicals).
    """

    def __init__(
        self,
        listed: Iterable[Member],
        rules: Iterable[Rule] = (),
        *,
        used: Iterable[str] = (),
        folded: frozenset[str] = frozenset(),
    ) -> None:
        """`folded` are the systems whose codes are compared without regard to case."""
        self._listed = {(one.system, one.code): one for one in listed}
        self._codes = {code for _system, code in self._listed}
        self.rules = tuple(rules)
        self.used = tuple(used)
        self._folded = {
            (system, code.casefold()): one
            for (system, code), one in self._listed.items()
            if system in folded
        }

    @property
    def complete(self) -> bool:
        """Whether the members can be listed."""
        return not self.rules

    def contains(self, system: str | None, code: str) -> bool:
        """Return whether the code is a member; `system` None means any (datatype `code`)."""
        if system is None:
            return (
                code in self._codes
                or any(rule.accepts(code) for rule in self.rules)
                or any(code.casefold() == known for _system, known in self._folded)
            )
        return self.find(system, code) is not None

    def find(self, system: str, code: str) -> Member | None:
        """Return the member of that system and code, None when it is none."""
        found = self._listed.get((system, code))
        if found is None and self._folded:
            found = self._folded.get((system, code.casefold()))
        if found is None and any(
            rule.system == system and rule.accepts(code) for rule in self.rules
        ):
            found = Member(system, code)
        return found

    def systems_of(self, code: str) -> list[str]:
        """Return the systems in which `code` is a member, listed ones in their order."""
        found = [system for system, known in self._listed if known == code]
        return found + [rule.system for rule in self.rules if rule.accepts(code)]

    def listed(self) -> tuple[Member, ...]:
        """Return the listed members in order. Raises `NotEnumerableError` when there are rules."""
        if self.rules:
            raise NotEnumerableError
        return tuple(self._listed.values())

    def known(self) -> Iterable[Member]:
        """Return the members that stand in a list, whether or not there are rules besides."""
        return self._listed.values()

    def __iter__(self) -> Iterator[tuple[str, str]]:
        """Return (system, code) pairs. Raises `NotEnumerableError` when there are rules."""
        if self.rules:
            raise NotEnumerableError
        return iter(self._listed)

    def __bool__(self) -> bool:
        """Return True: a loaded value set is one, even when it is empty."""
        return True

    def __len__(self) -> int:
        """Return the number of listed members."""
        return len(self._listed)
