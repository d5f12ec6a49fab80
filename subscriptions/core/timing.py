"""Every constant of the ladder and of delivery, once, with where it comes from.

Clinical values marked [P] are proposals of this project that await review by a nephrology nurse or
physician. The reasoning behind the times of a PH ladder: at a blood flow of 400 mL/min an adult
loses 15 % of their blood in under two minutes and 30 % in under four, so the second person must be
asked before the first minute is over and somebody must be at the chair by the end of the second.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from fhirserver.kernel.readings import Priority

Medium = Literal["sms", "voice"]


@dataclass(frozen=True, slots=True)
class LadderTiming:
    """When an alert of one priority reaches whom, counted from the moment it rings.

    `rungs` maps a rung number to its delay; a rung beyond the table follows the last one after
    `further_rung`. Within a rung those of a later escalation order follow `between` apart, all at
    once where it is zero. `emergency` is when everyone told is asked to call the emergency
    services, None for never. `exhausted` is when everyone and the operator are told. An incident
    that is still open `realarm` after that rings from rung 1 again; once it has rung for
    `repeat_for`, repeats end and it does so every `nag` instead.
    """

    rungs: Mapping[int, timedelta]
    further_rung: timedelta
    between: timedelta
    exhausted: timedelta
    emergency: timedelta | None
    repeat_every: timedelta
    repeat_for: timedelta
    realarm: timedelta
    nag: timedelta
    first_media: tuple[Medium, ...]
    repeat_media: tuple[Medium, ...]
    source: str


LADDERS: Final[Mapping[Priority, LadderTiming]] = {
    "PH": LadderTiming(
        rungs={1: timedelta(0), 2: timedelta(seconds=30), 3: timedelta(seconds=45)},
        further_rung=timedelta(seconds=15),
        between=timedelta(0),
        exhausted=timedelta(seconds=120),
        emergency=timedelta(seconds=90),
        repeat_every=timedelta(seconds=30),
        repeat_for=timedelta(minutes=30),
        realarm=timedelta(minutes=3),
        nag=timedelta(minutes=15),
        first_media=("sms", "voice"),
        repeat_media=("voice",),
        source="[P] blood-loss times at 300-400 mL/min; text messages may take minutes, so a call"
        " goes out with the first one",
    ),
    "PM": LadderTiming(
        rungs={1: timedelta(0), 2: timedelta(minutes=5), 3: timedelta(minutes=10)},
        further_rung=timedelta(minutes=5),
        between=timedelta(minutes=1),
        exhausted=timedelta(minutes=15),
        emergency=None,
        repeat_every=timedelta(minutes=5),
        repeat_for=timedelta(minutes=15),
        realarm=timedelta(minutes=30),
        nag=timedelta(minutes=60),
        first_media=("sms",),
        repeat_media=("sms",),
        source="[P] promptly, but not at the price of alarm fatigue",
    ),
}

# Alerts about the alarm itself being deaf: a ladder's rungs would take time that nobody is watching
# in, so everyone reachable and the operator are told at once. Codes of our own CodeSystem.
EVERYONE_CODES: Final = frozenset(("monitoring-not-armed", "evaluation-late"))

# [P] An answered PM alert may be silenced this long at most; what latches may not be silenced.
PAUSE_AT_MOST: Final = timedelta(minutes=5)

# [P] "I am coming" may delay the next rung once, and by no more than this.
HOLD: Final = timedelta(seconds=60)
# [P] "I am at the patient" is asked again after this time unless the alert was closed.
RECHECK: Final = timedelta(seconds=120)

# [P] A telephone takes no more text messages than this; calls go on.
SMS_LIMIT: Final = 5
SMS_LIMIT_WINDOW: Final = timedelta(minutes=5)

# A reply code is understood this long: GoAlert's rule, so that a code cannot hit a later alarm.
CODE_LIFETIME: Final = timedelta(hours=24)
# [P] A letter without its code is taken for the only open alarm of a telephone unless that telephone was
# told of another one within this time: texts and answers can be minutes late.
MEANT_BY_A_LETTER: Final = timedelta(minutes=10)
# The code that proves a telephone may be answered this long.
VERIFICATION_LIFETIME: Final = timedelta(days=7)

# A heartbeat that is held back because the server is not well is looked at again so soon.
BEATS_AGAIN: Final = timedelta(seconds=1)
# Work in flight: a worker that dies costs at most its lease, for every look for due work also finds
# leases that have ended.
LEASE: Final = timedelta(seconds=5)
BEAT: Final = timedelta(seconds=1.5)
# What is being sent when its Subscription is edited has this long to be answered; then it is broken
# off, and what the Subscription says now begins.
EDIT_GRACE: Final = timedelta(seconds=1)

# A failing endpoint is tried this long while the Subscription stays active (then ``error``), and
# its events are kept for replay this long.
GIVE_UP_AFTER: Final = timedelta(minutes=10)
KEEP_EVENTS: Final = timedelta(hours=72)

# How long a send that is not for a PH alert waits for a receipt before it is sent again, when the
# provider cannot say whether it took the first one.
AMBIGUOUS_WAIT: Final = timedelta(seconds=60)
# A provider that does not take a message for this long counts as not reaching that person.
UNREACHED_AFTER: Final = timedelta(seconds=10)
