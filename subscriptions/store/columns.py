"""Columns of many rows as one text each, for statements that serve hundreds of Subscriptions at once.

psycopg spends more on a list, element by element, than PostgreSQL spends on the whole statement.
"""

from collections.abc import Iterable


def numbers(values: Iterable[object]) -> str:
    """Return an array literal of numbers or booleans: for ``%s::bigint[]`` and the like."""
    return "{" + ",".join(map(str, values)) + "}"


def ids(values: Iterable[str]) -> str:
    """Return ids and codes, none of which holds a comma, for ``string_to_array(%s, ',')``.

    An array literal would take the id NULL for a missing value.
    """
    return ",".join(values)
