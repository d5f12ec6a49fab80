"""The reviewed table of every physiological and machine constant the model uses.

Each constant is a float that knows its unit and where it came from. [P] marks a proposal of this
project that awaits clinical review; it shapes simulated data only and reaches no real device.
"""

from typing import Self


class Constant(float):
    """A number with its unit (UCUM) and its source."""

    unit: str
    source: str

    def __new__(cls, value: float, unit: str, source: str) -> Self:
        """Return `value` as a float that knows its unit and source."""
        constant = super().__new__(cls, value)
        constant.unit = unit
        constant.source = source
        return constant


# The body
BLOOD_VOLUME_PER_KG = Constant(70.0, "mL/kg", "[P] textbook adult blood volume")
REFILL_PER_HOUR = Constant(0.30, "/h", "[P] plasma refill, 0.2-0.4 of the overload an hour")
OVERLOAD_PER_KG = Constant(
    40.0, "mL/kg", "[P] fluid above dry weight before a treatment, 3 L / 75 kg"
)
VOLUME_RESERVE = Constant(0.04, "1", "[P] relative blood volume lost before pressure follows")
PRESSURE_SENSITIVITY = Constant(2.4, "1", "[P] relative pressure lost per relative volume lost")
HEART_RATE_PER_MMHG = Constant(0.35, "/min/mm[Hg]", "[P] baroreflex slope")
PRESSURE_NOISE_SIGMA = Constant(4.0, "mm[Hg]", "[P] standing deviation of systolic pressure")
PRESSURE_NOISE_TAU = Constant(300.0, "s", "[P] correlation time of systolic pressure")
HEART_RATE_NOISE_SIGMA = Constant(2.0, "/min", "[P] standing deviation of heart rate")
DIASTOLIC_RATIO = Constant(0.64, "1", "[P] diastolic over systolic")
LOWEST_SYSTOLIC = Constant(40.0, "mm[Hg]", "[P] the model stops falling here")

# The blood circuit
ACCESS_PRESSURE = Constant(40.0, "mm[Hg]", "[P] intra-access pressure, 15-60 (graft about 60)")
NEEDLE_RESISTANCE = Constant(0.33, "mm[Hg].min/mL", "[P] 15 G needle, 0.3-0.4")
ARTERIAL_RESISTANCE = Constant(0.30, "mm[Hg].min/mL", "[P] pre-pump pressure about -0.3 x flow")
PUMP_RIPPLE = Constant(1.5, "mm[Hg]", "[P] half peak-to-peak of the roller's pulse after filtering")
VENOUS_DRIFT_SIGMA = Constant(5.0, "mm[Hg]", "[P] posture and needle position, slow")
VENOUS_DRIFT_TAU = Constant(1200.0, "s", "Kidney360 2023: drift over 20 +- 14 min")
ARTERIAL_NOISE_SIGMA = Constant(2.5, "mm[Hg]", "[P]")
ARTERIAL_NOISE_TAU = Constant(30.0, "s", "[P]")
BLOOD_FLOW_RAMP = Constant(400.0 / 180.0, "mL/min/s", "[P] 0 to 400 mL/min in three minutes")
PUMP_STOP_SECONDS = Constant(1.0, "s", "[P] a stopped roller pump holds within a second")
ULTRAFILTRATION_COEFFICIENT = Constant(50.0, "mL/h/mm[Hg]", "[P] high-flux filter")
TRANSMEMBRANE_OFFSET = Constant(26.0, "mm[Hg]", "[P] oncotic and hydrostatic offset")
TRANSMEMBRANE_NOISE_SIGMA = Constant(1.5, "mm[Hg]", "[P]")
CONDUCTIVITY = Constant(13.8, "mS/cm", "[P] usual dialysate")
CONDUCTIVITY_SIGMA = Constant(0.02, "mS/cm", "[P] within +-0.05")
DIALYSATE_TEMPERATURE = Constant(36.5, "Cel", "[P] usual dialysate")
DIALYSATE_TEMPERATURE_SIGMA = Constant(0.05, "Cel", "[P]")

# A usual prescription: 4 h, QB 400, QD 150, UF 2.4 L
WEIGHT = Constant(75.0, "kg", "[P]")
SYSTOLIC = Constant(124.0, "mm[Hg]", "[P] at the start of a treatment")
HEART_RATE = Constant(72.0, "/min", "[P] at the start of a treatment")
TREATMENT_MINUTES = Constant(240.0, "min", "CJASN home haemodialysis table, 2.5-4 h")
BLOOD_FLOW = Constant(400.0, "mL/min", "CJASN home haemodialysis table, 300-450")
DIALYSATE_FLOW = Constant(150.0, "mL/min", "CJASN home haemodialysis table, 83-200")
ULTRAFILTRATION_RATE = Constant(600.0, "mL/h", "[P] 8 mL/h/kg at 75 kg")

# The machine's own limits
VENOUS_LIMIT_BELOW = Constant(50.0, "mm[Hg]", "[P] lower limit under the operating pressure")
VENOUS_LIMIT_ABOVE = Constant(90.0, "mm[Hg]", "[P] upper limit over the operating pressure")
ARTERIAL_LIMIT_LOW = Constant(-250.0, "mm[Hg]", "patient teaching sites: not below -250")
ARTERIAL_LIMIT_HIGH = Constant(20.0, "mm[Hg]", "[P]")
TRANSMEMBRANE_LIMIT_LOW = Constant(-20.0, "mm[Hg]", "[P]")
TRANSMEMBRANE_LIMIT_HIGH = Constant(300.0, "mm[Hg]", "[P]")
