"""Scenarios 4 and 5: the venous needle slips, out of a graft or out of a fistula under a blanket.

The venous pressure loses the pressure of the access: about 60 mm[Hg] in a graft, enough for a tight
window of the machine, which finds it, says so and stops its pump. In a fistula it is often 20 or
less: the machine is silent, and only the step itself, with the blood flow steady, tells. The
patient bleeds as fast as the pump runs. https://pubmed.ncbi.nlm.nih.gov/24341865/
"""

from dataclasses import dataclass, field, replace

from simulator import codes
from simulator.physiology.person import Access, Person
from simulator.scenarios.scenario import Scenario, Stage
from simulator.truth import ExpectedAlert, Truth

# [P] a smaller step cannot be told from a moved back rest.
SEEN_FROM_MMHG = 15.0
_CONSEQUENCES = (codes.EVENT_LOW, codes.EVENT_HIGH, codes.EVENT_PUMP_STOP)


@dataclass
class NeedleSlip(Scenario):
    """`venous_drop` mm[Hg] are lost over `slip_s` seconds, `bleeding` (0..1) of the flow runs out.

    `venous_drop` None: all of that person's access pressure. `window` is the machine's lower venous
    limit under the running pressure, set when the needle slips; None leaves what was set up to half
    an hour ago. After `lasts_s` somebody comes.
    """

    venous_drop: float | None = 20.0
    slip_s: float = 1.5
    bleeding: float = 1.0
    window: float | None = None
    access: Access | None = "fistula"
    lasts_s: float | None = 150.0

    number = 5
    name = "needle-slip-fistula"
    title = "venous needle slips out of a fistula under a blanket"
    ends_treatment = True

    @property
    def truth(self) -> Truth:
        """The server suspects it from the step alone; what the machine says may come as well."""
        code = codes.SUSPECTED_DISLODGEMENT
        machine = (codes.EVENT_VENOUS_ACCESS, *_CONSEQUENCES)
        if self.venous_drop is None or self.venous_drop < SEEN_FROM_MMHG:
            return Truth(allowed=(code, *machine))
        return Truth(
            alerts=(ExpectedAlert(codes.SERVER_ALERTS, code, "PH", 30.0),), allowed=machine
        )

    def fitting(self, person: Person) -> Person:
        """Return somebody whose access has at least the pressure that is lost."""
        if self.venous_drop is None:
            self.venous_drop = person.access_pressure
        return replace(person, access_pressure=max(person.access_pressure, self.venous_drop))

    def begin(self, stage: Stage) -> None:
        """The needle begins to move."""
        if self.window is not None:
            stage.set_window(self.window, 90.0)

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Lose pressure and blood; the machine acts by itself."""
        out = min(1.0, elapsed_s / self.slip_s)
        treatment = stage.treatment
        drop = treatment.circuit.access_pressure if self.venous_drop is None else self.venous_drop
        treatment.circuit.access_loss = drop * out
        treatment.circuit.needle_out = out
        treatment.bleeding = self.bleeding * out

    def end(self, stage: Stage) -> None:
        """The needle is back; the pump ramps up again."""
        circuit = stage.treatment.circuit
        circuit.access_loss = 0.0
        circuit.needle_out = 0.0
        stage.treatment.bleeding = 0.0
        circuit.pump_on = True
        stage.end_alarms()


@dataclass
class NeedleSlipGraft(NeedleSlip):
    """The window is tight enough: the machine finds it within seconds."""

    venous_drop: float | None = 60.0
    window: float | None = 40.0
    access: Access | None = "graft"
    _unwatched: bool = field(default=False, init=False)

    number = 4
    name = "needle-slip-graft"
    title = "venous needle slips out of a graft"

    @property
    def truth(self) -> Truth:
        """The machine's own alarm, at once; the server may suspect it before.

        A machine whose windows are suspended, because the patient is turning the blood flow,
        notices nothing and centres them anew on what is left: then the server alone must see it.
        """
        access = codes.EVENT_VENOUS_ACCESS
        if self._unwatched:
            return super().truth
        return Truth(
            alerts=(
                ExpectedAlert(codes.MDC, access, "PH", 12.0),
                ExpectedAlert(codes.MDC, access, "PH", 1.0, since=f"event:{access}"),
            ),
            allowed=(codes.SUSPECTED_DISLODGEMENT, *_CONSEQUENCES),
            incidents=1,
            machine_events=(codes.EVENT_LOW, access, codes.EVENT_PUMP_STOP),
        )

    def begin(self, stage: Stage) -> None:
        """The needle begins to move."""
        super().begin(stage)
        self._unwatched = False

    def step(self, stage: Stage, elapsed_s: float, dt_s: float) -> None:
        """Slip; note whether the machine watched until it had noticed."""
        super().step(stage, elapsed_s, dt_s)
        if stage.since(f"event:{codes.EVENT_VENOUS_ACCESS}") is None and not stage.windows_hold:
            self._unwatched = True


@dataclass
class NeedleSlipPartial(NeedleSlip):
    """The needle comes half out over half a minute: part of the pressure, part of the blood."""

    venous_drop: float | None = 10.0
    slip_s: float = 30.0
    bleeding: float = 0.4

    name = "needle-slip-partial"
    title = "venous needle slips half out"
