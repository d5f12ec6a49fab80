"""What the operator is told when a process cannot be started, and what to do about it."""


class SupervisorError(Exception):
    """A start-up problem only a person can solve; the message names the cause and the remedy."""
