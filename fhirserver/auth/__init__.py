"""Who may see and do what; decisions only, no I/O.

`decide` turns a principal, its relations and its token into an `Access`; `may` holds one
interaction with one kind of resource against the role policy, Consents and scopes; `visible`,
`shows`, `allows` and `who_may` apply the same rules to stored and to parsed content. Every door of the server (REST,
search, deliveries) asks here, so that a rule exists once.
"""

from fhirserver.auth.decide import decide
from fhirserver.auth.lasting import holds_until
from fhirserver.auth.policy import may, may_ever
from fhirserver.auth.policy_table import Interaction
from fhirserver.auth.visibility import allows, shows, visible, who_may

__all__ = [
    "Interaction",
    "allows",
    "decide",
    "holds_until",
    "may",
    "may_ever",
    "shows",
    "visible",
    "who_may",
]
