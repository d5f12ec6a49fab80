"""A notification written once and filled in for many Subscriptions."""

import json
from uuid import UUID

from hypothesis import given
from hypothesis import strategies as st

from subscriptions.core.notification_template import Template, marks

DRAW = UUID("01890000-0000-7000-8000-00000000abcd")
ENTRY = "01890000-0000-7000-8000-00000000ffff"


def test_marks_are_replaced_wherever_they_stand() -> None:
    at = marks(DRAW, 2)
    text = json.dumps(
        {
            "fullUrl": f"urn:uuid:{at.entry_id}",
            "subscription": f"https://x/Subscription/{at.subscription}",
            "url": f"https://x/Subscription/{at.subscription}/$status",
            "numbers": [str(at.numbers[0]), str(at.numbers[1])],
            "since": str(at.numbers[1]),
        }
    )
    assert json.loads(Template.cut(text, at).fill("s1", ENTRY, [7, 8])) == {
        "fullUrl": f"urn:uuid:{ENTRY}",
        "subscription": "https://x/Subscription/s1",
        "url": "https://x/Subscription/s1/$status",
        "numbers": ["7", "8"],
        "since": "8",
    }


@given(st.uuids(), st.integers(1, 200))
def test_no_mark_is_part_of_another_and_each_is_a_valid_id(draw: UUID, count: int) -> None:
    at = marks(draw, count)
    assert len({len(str(number)) for number in at.numbers}) == 1
    assert len(set(at.numbers)) == count
    assert len(at.subscription) <= 64
    assert at.subscription.replace("-", "").isalnum()


@given(st.lists(st.integers(1, 10**6), min_size=1, max_size=30))
def test_filling_is_exact(numbers: list[int]) -> None:
    at = marks(DRAW, len(numbers))
    text = " ".join(f'"{number}"' for number in at.numbers)
    filled = Template.cut(text, at).fill("s", ENTRY, numbers)
    assert filled == " ".join(f'"{number}"' for number in numbers)
