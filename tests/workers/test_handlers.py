"""Every kind of job has somebody who does it."""

from kernel.config import Config
from kernel.jobs import JOB_KINDS
from workers.handlers import HANDLERS


def test_each_kind_has_a_handler():
    assert {kind.name for kind in HANDLERS} == set(JOB_KINDS)


def test_an_interactive_job_has_slots_that_a_batch_cannot_take():
    assert Config().interactive_slots >= 1
    assert Config().background_slots >= 1
