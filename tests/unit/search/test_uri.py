"""Addresses above and below each other."""

import pytest

from fhirserver.search.uri import above, bare, is_below


@pytest.mark.parametrize(
    ("url", "upper", "expected"),
    [
        ("http://e/a/b", "http://e/a", True),
        ("http://e/a/b", "http://e/a/", True),
        ("http://e/a/b|1", "http://e/a", True),
        ("http://e/a", "http://e/a/", True),
        ("http://e/ab", "http://e/a", False),
        ("http://e/a", "http://e/a/b", False),
        ("urn:a:b", "urn:a", False),
        ("urn:a", "urn:a", True),
    ],
)
def test_below_is_further_along_the_path(url: str, upper: str, expected: bool) -> None:
    assert is_below(url, upper) is expected
    assert (bare(upper) in above(url)) is expected
