"""Who may do what, said a second time in few lines: the oracle of the access matrix.

It shares nothing with `fhirserver.auth` but the requirement: a `Who` is a caller as a person would describe one, a
`Cell` a resource as a person would, and `allowed` the whole rule (verbs: read, search, create, update, delete).
"""

from collections.abc import Callable
from dataclasses import dataclass, field

Scope = Callable[["Cell", str], bool]


@dataclass(frozen=True)
class Cell:
    """One resource: `kind` is record, open, staff or closed; `of` are the patients it names."""

    type: str
    id: str
    kind: str = "record"
    of: frozenset[str] = frozenset()
    technical: bool = False
    vital: bool = False

    @property
    def ref(self) -> str:
        return f"{self.type}/{self.id}"


@dataclass(frozen=True)
class Who:
    """One caller: what they are, to whom (patient: ``team``, ``team viewer``, ``self`` ...), what their token says."""

    name: str
    kind: str
    reference: str = ""
    bonds: dict[str, str] = field(default_factory=dict)
    scope: Scope | None = None

    def __hash__(self) -> int:
        return hash(self.name)


OWN_WORDS = {"Communication", "QuestionnaireResponse"}
ALARMS = {"CareTeam", "Communication", "Flag", "Patient", "RelatedPerson", "Task"}
PARTNER = ALARMS | {"DeviceUseStatement", "Observation", "QuestionnaireResponse", "Device"}
OFFICE = {"Patient", "CareTeam", "RelatedPerson", "Appointment", "DeviceUseStatement"}


def allowed(who: Who, cell: Cell, verb: str) -> bool:
    if who.scope is not None and not who.scope(cell, verb):
        return False
    look = verb in ("read", "search")
    if who.kind == "admin":
        return True
    if cell.kind == "closed" or who.kind == "device":
        return False
    if who.kind == "client":
        return look or not (cell.type == "Provenance" and verb != "create")
    if cell.kind == "open":
        return look or (who.kind == "nurse" and cell.type == "Medication" and verb != "delete")
    if not cell.of:
        if cell.kind == "record" or cell.type == "Group":
            return False
        calendar = cell.type == "Schedule" and who.kind in ("nurse", "office")
        tends = who.kind in ("nurse", "office", "technician") and cell.type[:6] == "Device"
        return (tends or calendar or (look and who.kind == "nurse")) and verb != "delete"
    return all(_of_one(who, cell, verb, look, who.bonds.get(one, "")) for one in cell.of)


def _of_one(who: Who, cell: Cell, verb: str, look: bool, bond: str) -> bool:
    denied = "cora" in cell.of and (
        (cell.type == "Observation" and who.reference == "RelatedPerson/bob" and look)
        or (cell.type == "Condition" and look)
    )
    if (denied and bond != "emergency") or not bond or bond.startswith("over") or verb == "delete":
        return False
    only_called = bond.endswith("contact") and cell.type not in ALARMS - {"RelatedPerson"}
    if only_called or (bond.endswith("viewer") and not look):
        return False
    if who.kind == "technician" or bond.endswith("technician"):
        return cell.type in ("Device", "DeviceUseStatement") or (look and cell.technical)
    if who.kind == "nurse":
        return verb != {"Provenance": "update", "Patient": "create"}.get(cell.type)
    if who.kind == "office":
        writes = cell.type != "DeviceUseStatement" and (cell.type != "Patient" or verb == "update")
        return (cell.type in OFFICE and (look or writes)) or cell.type == "Device"
    if bond == "peer":
        return look and cell.type in ("CareTeam", "Flag", "Task")
    return (verb == "create" and cell.type in OWN_WORDS) or (
        look and (bond in ("self", "guardian") or cell.type in PARTNER)
    )
