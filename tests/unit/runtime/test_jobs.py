"""How often timed work runs."""

from services.notifications.jobs import JOBS
from services.orders.jobs import jobs
from services.orders.settings import Settings
from shared.runtime.service import Job


async def nothing(service: object) -> int:
    return 0


def test_quick_work_runs_as_often_as_it_says() -> None:
    assert Job("look", 15.0, nothing).pause(0.01) == 15.0


def test_work_that_takes_longer_the_more_there_is_keeps_its_share_of_the_time() -> None:
    job = Job("count everything", 15.0, nothing, rest=100)
    for took in (0.2, 2.0, 20.0):
        assert took / (took + job.pause(took)) < 0.01


def test_what_reads_every_open_order_or_mail_takes_a_hundredth_of_the_time() -> None:
    settings = Settings(database_url="postgresql+psycopg://nobody@127.0.0.1/none")
    rests = {job.name: job.rest for job in (*jobs(settings), *JOBS)}
    assert rests["measure-stages"] >= 100
    assert rests["measure-backlog"] >= 100
