"""What is remembered of one patient cannot be read: it holds up nobody else."""

from tests.integration.evaluation.conftest import SYSTOLIC, Home


async def test_a_window_that_cannot_be_read_holds_up_no_second_reading_of_others(
    home: Home,
) -> None:
    await home.put({"resourceType": "Patient", "id": "eve"})
    await home.measure(home.reading(SYSTOLIC, 88), home.reading(SYSTOLIC, 88, patient="eve"))
    await home.query(
        "UPDATE evaluation SET state = decode('0000000000000001', 'hex') || state "
        "WHERE patient = 'ann' RETURNING 1"
    )
    home.pass_time(120)
    assert await home.scan() == 1
    raised = [alert.patient for cause, alert in home.listener.told if cause == "priority-raised"]
    assert raised == ["eve"]
    assert await home.scan() == 0
    await home.measure(home.reading(SYSTOLIC, 70))
    assert home.listener.told[-1][1].patient == "ann"
