"""What an incident leaves behind when it has rung more than once."""

from tests.integration.response.conftest import BOB, Place


async def page_tasks(place: Place) -> list[tuple[str, str]]:
    return [
        (str(task["owner"]["reference"]).partition("/")[2], str(task["status"]))
        for task in await place.all("Task")
        if "partOf" in task
    ]


async def test_who_is_asked_again_is_asked_by_one_task_only(place: Place) -> None:
    await place.alarm()
    await place.after(130)
    assert ("bob", "requested") in await page_tasks(place)
    await place.after(180)
    asked = [task for task in await page_tasks(place) if task[1] == "requested"]
    assert sorted(asked) == [("bob", "requested"), ("eve", "requested"), ("nina", "requested")]


async def test_an_incident_that_is_over_leaves_no_task_open(place: Place) -> None:
    await place.alarm()
    await place.after(310)
    code = place.pages(BOB, "sms")[-1].code
    await place.writes(BOB, f"{code}h")
    await place.alarm(end=True)
    await place.after(121)
    assert "closed" in await place.writes(BOB, f"{code}h")
    assert {status for _, status in await page_tasks(place)} <= {"completed", "cancelled"}
