"""The audit: what happened becomes AuditEvents, and AuditEvents become leaves of a log that shows every change made to it.

`codes`, `event`, `merkle`, `head` and `findings` are pure; `queue`, `sealer` and `heads_export` are the edge.

Spec: https://profiles.ihe.net/ITI/BALP/, https://www.rfc-editor.org/rfc/rfc9162
"""
