"""What is wrong with a mapping, or with a message that a mapping refuses."""

from collections.abc import Sequence

from fhirserver.wire.hl7v2.acknowledgement import Fault


class MappingError(Exception):
    """Mappings cannot be used. `problems` names each with its file and its place."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Carry all `problems`."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


class MappingRefuses(Exception):
    """A mapping does not take a message: something it needs is missing, or stands in no table."""

    def __init__(self, fault: Fault) -> None:
        """Carry `fault`."""
        super().__init__(fault.text)
        self.fault = fault
