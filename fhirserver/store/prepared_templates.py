"""What a process remembers of devices between batches of their messages; bounded, the longest unused goes first.

A template is of one device, measure and treatment, and of the definitions and keys it was made by: where these change,
it is not found any more. Making one anew takes 30 us, so that more devices than there is room for cost
little. A form is made once for all devices.
"""

from collections import OrderedDict
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Final, Generic, TypeVar

from fhirserver.definitions import Definitions
from fhirserver.kernel.resource import Json
from fhirserver.kernel.telemetry import ObservationForm
from fhirserver.store import ingest_audit
from fhirserver.store.observation_forms import PreparedForm
from fhirserver.store.observation_rows import PreparedTemplate

# About 1.7 kB each: those of 1 300 machines of twelve measures.
TEMPLATES: Final = 16_384
# A few kB each; a measure has one for each reason why it may be missing and each remark on its quality.
FORMS: Final = 1_024
# About 6 kB each.
BIRTHS: Final = 4_096

_Key = TypeVar("_Key", bound=Hashable)
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """The `most` values that were used last."""

    def __init__(self, most: int) -> None:
        """Keep none yet."""
        self._most = most
        self._kept: OrderedDict[_Key, _Value] = OrderedDict()

    def __len__(self) -> int:
        """Return how many are kept."""
        return len(self._kept)

    def get(self, key: _Key) -> _Value | None:
        """Return what is kept under `key`, used now."""
        found = self._kept.get(key)
        if found is not None:
            self._kept.move_to_end(key)
        return found

    def keep(self, key: _Key, value: _Value) -> None:
        """Keep `value`, in the place of what was used longest ago where there is no room."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        if len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, key: _Key) -> None:
        """Keep nothing under `key`."""
        self._kept.pop(key, None)


@dataclass(frozen=True, slots=True, eq=False)
class Era:
    """A time in which the definitions and the keys of a tenant stay; there is one of each."""

    definitions: Definitions
    epoch: int


@dataclass(frozen=True, slots=True)
class PreparedTemplates:
    """What one process remembers, of all tenants together."""

    made: Recent[tuple[Era, Hashable], PreparedTemplate] = field(
        default_factory=lambda: Recent(TEMPLATES)
    )
    forms: Recent[tuple[Era, ObservationForm], PreparedForm] = field(
        default_factory=lambda: Recent(FORMS)
    )
    births: Recent[tuple[int, str, str], Json] = field(default_factory=lambda: Recent(BIRTHS))
    told: ingest_audit.Told = field(default_factory=dict)
    # Of weeks that have them. Those of the current week are never dropped.
    leaves: set[tuple[str, str]] = field(default_factory=set)
    _eras: dict[int, Era] = field(default_factory=dict)

    def era(self, tenant: int, definitions: Definitions, epoch: int) -> Era:
        """Return the era of what is indexed by `definitions` and sealed by keys of `epoch`: another than before, if new."""
        known = self._eras.get(tenant)
        if known is None or known.definitions is not definitions or known.epoch != epoch:
            known = self._eras[tenant] = Era(definitions, epoch)
        return known
