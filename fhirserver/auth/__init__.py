"""Who may see and do what; decisions only, no I/O.

`decide` turns a principal and its CareTeam memberships into an `Access`; `may` holds one
interaction with one resource against the role policy; `visible` applies the read rules to stored
content. Every door of the server (REST, search, deliveries) asks here, so that a rule exists once.
"""

from fhirserver.auth.decide import decide
from fhirserver.auth.policy import Interaction, may, may_ever
from fhirserver.auth.visibility import visible

__all__ = ["Interaction", "decide", "may", "may_ever", "visible"]
