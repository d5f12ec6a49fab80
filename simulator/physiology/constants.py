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


_ACCESS = "PubMed 24341865: intra-access pressure"
_DRIFT = "Kidney360 2023: venous pressure drifts up in 38 % of readings, +11 +- 18 in 20 +- 14 min"

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
HIGHEST_HEART_RATE = Constant(128.0, "/min", "[P] sinus tachycardia of an older heart ends here")

# The blood circuit
ACCESS_PRESSURE = Constant(40.0, "mm[Hg]", "[P] intra-access pressure, 15-60 (graft about 60)")
NEEDLE_RESISTANCE = Constant(0.33, "mm[Hg].min/mL", "[P] 15 G needle, 0.3-0.4")
ARTERIAL_RESISTANCE = Constant(0.30, "mm[Hg].min/mL", "[P] pre-pump pressure about -0.3 x flow")
PUMP_RIPPLE = Constant(1.5, "mm[Hg]", "[P] half peak-to-peak of the roller's pulse after filtering")
VENOUS_DRIFT_SIGMA = Constant(3.0, "mm[Hg]", "[P] posture and needle position, slow")
VENOUS_DRIFT_TAU = Constant(1200.0, "s", "Kidney360 2023: drift over 20 +- 14 min")
VENOUS_NOISE_SIGMA = Constant(1.5, "mm[Hg]", "[P] breathing and small movements")
VENOUS_NOISE_TAU = Constant(8.0, "s", "[P] two breaths")
ARTERIAL_NOISE_SIGMA = Constant(2.5, "mm[Hg]", "[P]")
ARTERIAL_NOISE_TAU = Constant(30.0, "s", "[P]")
BLOOD_FLOW_RAMP = Constant(400.0 / 180.0, "mL/min/s", "[P] 0 to 400 mL/min in three minutes")
BLOOD_FLOW_TREATS = Constant(
    150.0, "mL/min", "[P] at this flow the machine counts treatment (mode TX)"
)
BLOOD_FLOW_RINSE = Constant(150.0, "mL/min", "[P] giving the blood back")
PREPARES_MINUTES = Constant(2.0, "min", "[P] connected, pump standing (mode PRETX)")
RINSES_MINUTES = Constant(4.0, "min", "[P] giving the blood back (mode POSTTX)")
RESTS_MINUTES = Constant(2.0, "min", "[P] still on after the patient is gone (mode IDL)")
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

# How people differ
FISTULA_PRESSURE_MEAN = Constant(32.6, "mm[Hg]", _ACCESS + ", fistula 32.6 +- 23.5")
FISTULA_PRESSURE_SIGMA = Constant(23.5, "mm[Hg]", _ACCESS + ", fistula 32.6 +- 23.5")
FISTULA_PRESSURE_LOW = Constant(5.0, "mm[Hg]", "[P] below it nothing flows back to the heart")
FISTULA_PRESSURE_HIGH = Constant(100.0, "mm[Hg]", "[P] above it the fistula is stenosed")
GRAFT_PRESSURE_MEAN = Constant(60.9, "mm[Hg]", _ACCESS + ", graft 60.9 +- 19.5")
GRAFT_PRESSURE_SIGMA = Constant(19.5, "mm[Hg]", _ACCESS + ", graft 60.9 +- 19.5")
GRAFT_PRESSURE_LOW = Constant(20.0, "mm[Hg]", "[P] truncated at two standard deviations")
GRAFT_PRESSURE_HIGH = Constant(110.0, "mm[Hg]", "[P] truncated at two and a half")
CATHETER_PRESSURE_MEAN = Constant(8.0, "mm[Hg]", "[P] central venous pressure")
CATHETER_PRESSURE_SIGMA = Constant(4.0, "mm[Hg]", "[P]")
CATHETER_PRESSURE_LOW = Constant(2.0, "mm[Hg]", "[P]")
CATHETER_PRESSURE_HIGH = Constant(18.0, "mm[Hg]", "[P]")
GRAFT_SHARE = Constant(0.20, "1", "[P] grafts among the accesses of simulated people")
CATHETER_SHARE = Constant(0.15, "1", "[P] catheters among them")
NEEDLE_RESISTANCE_SIGMA = Constant(0.03, "mm[Hg].min/mL", "[P] gauge, length and viscosity")
NEEDLE_RESISTANCE_LOW = Constant(0.26, "mm[Hg].min/mL", "[P] 14 G")
NEEDLE_RESISTANCE_HIGH = Constant(0.42, "mm[Hg].min/mL", "[P] 16 G")
ARTERIAL_RESISTANCE_SIGMA = Constant(0.04, "mm[Hg].min/mL", "[P]")
ARTERIAL_RESISTANCE_LOW = Constant(0.20, "mm[Hg].min/mL", "[P]")
ARTERIAL_RESISTANCE_HIGH = Constant(0.42, "mm[Hg].min/mL", "[P]")
WEIGHT_SIGMA = Constant(15.0, "kg", "[P]")
WEIGHT_LOW = Constant(45.0, "kg", "[P]")
WEIGHT_HIGH = Constant(125.0, "kg", "[P]")
SYSTOLIC_MEAN = Constant(136.0, "mm[Hg]", "[P] before a treatment")
SYSTOLIC_SIGMA = Constant(14.0, "mm[Hg]", "[P]")
SYSTOLIC_LOW = Constant(112.0, "mm[Hg]", "[P] lower ones need an order of their own")
SYSTOLIC_HIGH = Constant(160.0, "mm[Hg]", "[P] higher ones are not sent home with default limits")
HEART_RATE_SIGMA = Constant(8.0, "/min", "[P]")
HEART_RATE_LOW = Constant(56.0, "/min", "[P]")
HEART_RATE_HIGH = Constant(92.0, "/min", "[P]")
BLOOD_FLOW_MEAN = Constant(370.0, "mL/min", "CJASN home haemodialysis table, 300-450")
BLOOD_FLOW_SIGMA = Constant(40.0, "mL/min", "CJASN home haemodialysis table, 300-450")
BLOOD_FLOW_LOW = Constant(250.0, "mL/min", "[P] for narrow needles")
BLOOD_FLOW_HIGH = Constant(450.0, "mL/min", "CJASN home haemodialysis table, 300-450")
OPERATING_VENOUS_HIGHEST = Constant(
    230.0, "mm[Hg]", "[P] the flow is prescribed so that the venous pressure stays below"
)
OPERATING_ARTERIAL_LOWEST = Constant(
    -190.0, "mm[Hg]", "patient teaching sites: -60 to -200; the flow is prescribed to stay above"
)
REMOVAL_PER_KG_MEAN = Constant(6.0, "mL/h/kg", "nxstage.com: mean of home treatments")
REMOVAL_PER_KG_SIGMA = Constant(1.5, "mL/h/kg", "[P]")
REMOVAL_PER_KG_LOW = Constant(2.0, "mL/h/kg", "[P]")
REMOVAL_PER_KG_HIGH = Constant(8.0, "mL/h/kg", "nxstage.com: prescribers aim at 8 or less")
REMOVAL_HIGHEST = Constant(950.0, "mL/h", "[P] of the whole treatment, before profiling")
REMOVAL_PROFILE = Constant(0.25, "1", "[P] a falling profile starts this much above the mean")
FITTING_SYSTOLIC = Constant(
    107.0, "mm[Hg]", "[P] a fitting prescription keeps the undisturbed pressure above"
)

# What happens to the pressures of a clean treatment
DRIFT_SHARE = Constant(0.38, "1", _DRIFT)
DRIFT_RISE_MEAN = Constant(11.0, "mm[Hg]", _DRIFT)
DRIFT_RISE_SIGMA = Constant(18.0, "mm[Hg]", _DRIFT)
DRIFT_MINUTES_MEAN = Constant(20.0, "min", _DRIFT)
DRIFT_MINUTES_SIGMA = Constant(14.0, "min", _DRIFT)
DRIFT_MINUTES_LOW = Constant(5.0, "min", "[P] truncated")
DRIFT_MINUTES_HIGH = Constant(60.0, "min", "[P] truncated")
DRIFT_HIGHEST = Constant(45.0, "mm[Hg]", "[P] beyond it somebody would turn the needle")
DRIFT_BACK = Constant(0.40, "1", "[P] at most this part of a rise goes back in one stretch")
COUGHS_PER_HOUR = Constant(6.0, "/h", "[P]")
COUGH_VENOUS_LOW = Constant(12.0, "mm[Hg]", "[P] central venous pressure during a cough")
COUGH_VENOUS_HIGH = Constant(55.0, "mm[Hg]", "[P]")
COUGH_SECONDS_LOW = Constant(1.0, "s", "[P]")
COUGH_SECONDS_HIGH = Constant(3.0, "s", "[P] a fit of coughing")
MOVES_PER_HOUR = Constant(3.0, "/h", "[P] of the access arm")
MOVE_VENOUS_LOW = Constant(-8.0, "mm[Hg]", "[P] the needle's tip leaves the wall")
MOVE_VENOUS_HIGH = Constant(28.0, "mm[Hg]", "[P] the needle's tip meets the wall")
MOVE_ARTERIAL_LOW = Constant(-40.0, "mm[Hg]", "[P] the arterial needle's tip meets the wall")
MOVE_ARTERIAL_HIGH = Constant(8.0, "mm[Hg]", "[P]")
MOVE_SECONDS_LOW = Constant(3.0, "s", "[P]")
MOVE_SECONDS_HIGH = Constant(75.0, "s", "[P] until the arm is put back")
MOVE_RAMP_SECONDS = Constant(2.0, "s", "[P]")
MOVE_STAYS_SIGMA = Constant(2.0, "mm[Hg]", "[P] what is left of it when the arm lies again")
REPOSITIONS_PER_HOUR = Constant(0.7, "/h", "[P] back rest, bed height, sitting up")
REPOSITION_SIGMA_CM = Constant(7.0, "cm", "[P] the heart's height against the machine")
REPOSITION_HIGHEST_CM = Constant(15.0, "cm", "[P] back rest from lying to half sitting")
MMHG_PER_CM_BLOOD = Constant(0.77, "mm[Hg]/cm", "density of blood 1.05 g/mL x gravity")
REPOSITION_SECONDS_LOW = Constant(4.0, "s", "[P] a motor or a person moves the back rest")
REPOSITION_SECONDS_HIGH = Constant(20.0, "s", "[P]")
FLOW_CHANGES_PER_HOUR = Constant(0.4, "/h", "[P] the patient turns the blood flow")
FLOW_CHANGE_STEP = Constant(25.0, "mL/min", "[P]")
FLOW_CHANGE_STEPS = Constant(2.0, "1", "[P] at most this many steps below the prescription")
FLOW_CHANGE_RAMP = Constant(5.0, "mL/min/s", "[P] how fast a machine follows")

# The machine's own limits
VENOUS_LIMIT_BELOW = Constant(50.0, "mm[Hg]", "hdcn, Dellanna: 20-50 below by hand; usual 30-40")
VENOUS_LIMIT_ABOVE = Constant(90.0, "mm[Hg]", "[P] upper limit over the operating pressure")
VENOUS_LIMIT_HIGHEST = Constant(400.0, "mm[Hg]", "haemodialysis implementation guide, example")
VENOUS_LIMIT_LEAST = Constant(9.0, "mm[Hg]", "Fresenius 2008T manual: never lower with blood")
ARTERIAL_LIMIT_LOW = Constant(-250.0, "mm[Hg]", "patient teaching sites: not below -250")
ARTERIAL_LIMIT_HIGH = Constant(20.0, "mm[Hg]", "[P]")
TRANSMEMBRANE_LIMIT_LOW = Constant(-20.0, "mm[Hg]", "[P]")
TRANSMEMBRANE_LIMIT_HIGH = Constant(300.0, "mm[Hg]", "[P]")
LIMITS_RECENTRED_EVERY = Constant(1800.0, "s", "Fresenius 2008T manual: every 30 minutes")
CENTRING_AVERAGE = Constant(
    10.0, "s", "[P] a window is centred on the mean of some seconds, not on a cough"
)
LIMITS_SETTLE = Constant(15.0, "s", "[P] limits follow a changed blood flow after it is steady")
LIMIT_CONFIRM = Constant(3.0, "s", "[P] a pressure beyond a limit this long is an alarm")
ACCESS_CONCLUDE = Constant(
    2.0, "s", "[P] from low venous pressure to the conclusion that the access is lost"
)
PUMP_STOPS_AFTER = Constant(1.0, "s", "[P] from the conclusion to the stopped pump")
KEEP_ALIVE = Constant(15.0, "s", "IHE PCD-04: an active alarm is repeated every 10-30 s")
BATTERY_MINUTES = Constant(15.0, "min", "[P] blood pump and display without mains")
BATTERY_LOW_LEFT = Constant(3.0, "min", "[P] what is left when the battery alarm comes")

# The cuff
CUFF_EVERY = Constant(1800.0, "s", "blood pressure is usually read twice an hour")
CUFF_AFTER_FALL_LOW = Constant(300.0, "s", "[P] 5-10 minutes after a fall")
CUFF_AFTER_FALL_HIGH = Constant(600.0, "s", "[P] 5-10 minutes after a fall")
CUFF_FALL = Constant(20.0, "mm[Hg]", "KDOQI: a drop of 20 mm[Hg] systolic")
CUFF_REREAD = Constant(60.0, "s", "[P] a patient measures again when the value frightens")
CUFF_LOW = Constant(90.0, "mm[Hg]", "Flythe, JASN 2015: nadir below 90")
CUFF_HIGH = Constant(180.0, "mm[Hg]", "[P]")
