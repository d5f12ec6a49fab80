"""JSON Patch: the examples of RFC 6902, its refusals, and that a difference applied gives the target."""

from copy import deepcopy
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirserver.interactions.patching.json_patch import MAX_OPERATIONS, patched, same
from fhirserver.kernel.errors import BadRequest, TooLarge, Unprocessable

Operation = dict[str, Any]


def op(name: str, path: str, **more: Any) -> Operation:
    return {"op": name, "path": path, **more}


# RFC 6902, appendix A: document, operations, result.
EXAMPLES: list[tuple[Any, list[Operation], Any]] = [
    ({"foo": "bar"}, [op("add", "/baz", value="qux")], {"baz": "qux", "foo": "bar"}),
    ({"foo": ["bar", "baz"]}, [op("add", "/foo/1", value="qux")], {"foo": ["bar", "qux", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [op("remove", "/baz")], {"foo": "bar"}),
    ({"foo": ["bar", "qux", "baz"]}, [op("remove", "/foo/1")], {"foo": ["bar", "baz"]}),
    ({"baz": "qux", "foo": "bar"}, [op("replace", "/baz", value="boo")], {"baz": "boo", "foo": "bar"}),
    (
        {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
        [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
        {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
    ),
    (
        {"foo": ["all", "grass", "cows", "eat"]},
        [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
        {"foo": ["all", "cows", "eat", "grass"]},
    ),
    ({"baz": "qux", "foo": ["a", 2, "c"]}, [op("test", "/foo/1", value=2)], None),
    ({"foo": "bar"}, [op("add", "/child", value={"grandchild": {}})],
     {"foo": "bar", "child": {"grandchild": {}}}),
    ({"foo": "bar"}, [op("add", "/baz", value="qux", xyz=123)], {"foo": "bar", "baz": "qux"}),
    ({"/": 9, "~1": 10}, [op("test", "/~01", value=10)], None),
    ({"foo": ["bar"]}, [op("add", "/foo/-", value=["abc", "def"])], {"foo": ["bar", ["abc", "def"]]}),
    ({"a": 1}, [{"op": "copy", "from": "/a", "path": "/b"}], {"a": 1, "b": 1}),
    ({"a": 1}, [op("replace", "", value={"b": 2})], {"b": 2}),
]  # fmt: skip


@pytest.mark.parametrize(("document", "operations", "result"), EXAMPLES)
def test_examples(document: Any, operations: list[Operation], result: Any) -> None:
    before = deepcopy(document)

    assert patched(document, operations) == (document if result is None else result)
    assert document == before


@pytest.mark.parametrize(
    "operations",
    [
        [op("test", "/baz", value="bar")],
        [op("test", "/baz", value=True)],
        [op("add", "/nothing/inside", value=1)],
        [op("remove", "/nothing")],
        [op("replace", "/nothing", value=1)],
        [op("add", "/list/4", value=1)],
        [op("add", "/list/01", value=1)],
        [op("remove", "/list/-")],
        [op("add", "/baz/below", value=1)],
        [op("remove", "")],
        [op("replace", "", value=[])],
        # All or nothing: the first one alone would do.
        [op("add", "/fine", value=1), op("remove", "/nothing")],
    ],
)
def test_what_does_not_fit_is_unprocessable(operations: list[Operation]) -> None:
    document = {"baz": 1, "list": [1, 2]}

    with pytest.raises(Unprocessable):
        patched(document, operations)
    assert document == {"baz": 1, "list": [1, 2]}


@pytest.mark.parametrize(
    "operations",
    [
        {},
        "x",
        [1],
        [{}],
        [op("unheard", "/a")],
        [{"op": "add", "value": 1}],
        [op("add", "/a")],
        [op("add", "a", value=1)],
        [op("add", "/a~2", value=1)],
        [{"op": "move", "path": "/a"}],
        [{"op": "move", "from": "/baz", "path": "/baz/in"}],
        [{"op": [], "path": "/a"}],
        [{"op": "remove", "path": 7}],
    ],
)
def test_what_is_no_patch_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(BadRequest):
        patched({"baz": {}}, operations)


def test_bounds() -> None:
    with pytest.raises(TooLarge):
        patched({}, [op("add", "/a", value=1)] * (MAX_OPERATIONS + 1))
    doubling = [{"op": "copy", "from": "", "path": f"/a{number}"} for number in range(40)]
    with pytest.raises(TooLarge):
        patched({"x": list(range(100))}, doubling)


def test_decimals_keep_their_digits_and_compare_by_value() -> None:
    document = {"value": Decimal("1.00")}

    assert str(patched(document, [op("test", "/value", value=1)])["value"]) == "1.00"
    assert str(patched(document, [op("add", "/b", value=Decimal("0.50"))])["b"]) == "0.50"
    assert not same(True, 1)
    assert not same("1", 1)


names = st.sampled_from(["a", "b", "c~d", "e/f", "0"])
plain = st.none() | st.booleans() | st.integers(-3, 3) | st.sampled_from(["x", "y", ""])
values = st.recursive(
    plain, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(names, inner, max_size=3)
)
documents = st.dictionaries(names, values, max_size=4)


def difference(one: Any, other: Any, path: str = "") -> list[Operation]:
    """Operations that turn `one` into `other`."""
    if same(one, other):
        return []
    if isinstance(one, dict) and isinstance(other, dict):
        found = []
        for name in one:
            place = path + "/" + name.replace("~", "~0").replace("/", "~1")
            found += (
                difference(one[name], other[name], place)
                if name in other
                else [op("remove", place)]
            )
        for name in other.keys() - one.keys():
            place = path + "/" + name.replace("~", "~0").replace("/", "~1")
            found.append(op("add", place, value=other[name]))
        return found
    if isinstance(one, list) and isinstance(other, list):
        found = []
        for index in range(min(len(one), len(other))):
            found += difference(one[index], other[index], f"{path}/{index}")
        found += [op("remove", f"{path}/{len(other)}")] * max(0, len(one) - len(other))
        found += [op("add", f"{path}/-", value=value) for value in other[len(one) :]]
        return found
    return [op("replace", path, value=other)]


@given(documents, documents)
def test_a_difference_applied_gives_the_target(one: Any, other: Any) -> None:
    before = deepcopy(one)

    assert same(patched(one, difference(one, other)), other)
    assert one == before
