"""What can go wrong with a FHIRPath expression.

Messages are safe to show to whoever sent the expression: they name parts of it, never data it
was evaluated on.
"""


class FhirPathError(ValueError):
    """An expression that cannot be used, or not on this value."""


class UnsupportedError(FhirPathError):
    """The expression is not FHIRPath, exceeds a bound, or uses what is not compiled here."""


class EvaluationError(FhirPathError):
    """The expression has no result on this value: too many items, operands that do not fit."""


class TooExpensiveError(EvaluationError):
    """The evaluation exceeded one of its `Limits`; nothing was decided."""
