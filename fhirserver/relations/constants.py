"""Times and ages that relationships depend on, once, with their source.

[P] marks a proposal of this project that awaits review by clinicians and a lawyer.
"""

from datetime import timedelta
from typing import Final

# [P] 18 years: the age of majority in the United States except Alabama and Nebraska (19) and Mississippi (21), and in
# most of Europe (Germany: BGB section 2). A tenant elsewhere lets the patient, or an administrator, keep the guardian.
MAJORITY_YEARS: Final = 18

# [P] One shift's half: long enough for an emergency, short enough that nobody works under it day by day.
EMERGENCY_LASTS: Final = timedelta(hours=4)

# A week covers everybody's weekend, and a letter.
INVITATION_HOLDS: Final = timedelta(days=7)

# A team on call that lists a team on call that lists one: further down nobody means it.
DEEPEST_TEAM: Final = 3
# A machine that is, or was, in use for a patient: https://hl7.org/fhir/R4/valueset-device-statement-status.html
BINDING_STATUS: Final = frozenset({"active", "completed"})
