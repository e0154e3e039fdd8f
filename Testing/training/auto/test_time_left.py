"""The one line: what it says of the time that is left, and how often."""

from __future__ import annotations

import io

import pytest

from trustseg_training.auto.time_left import Display, TimeLeft, in_words
from trustseg_training.progress import counted


class Clock:
    """Stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (12, "less than a minute"),
        (61, "1 minute"),
        (25 * 60 + 20, "25 minutes"),
        (73 * 60, "1 hour 15 minutes"),
        (60 * 60 - 1, "1 hour"),
        (2 * 3600, "2 hours"),
        (8.4 * 3600, "8 hours"),
    ],
)
def test_time_is_said_in_words_as_rough_as_it_is(seconds, words):
    assert in_words(seconds) == words


def test_time_left_goes_down_as_expected_while_the_work_does(clock):
    left = TimeLeft({"twin": 600.0, "vdp": 400.0}, clock)
    assert left.seconds() == 1000
    left.begin("twin")
    left.reached(0.0)
    for share in (0.25, 0.5):
        clock.now = 100 + 600 * share
        left.reached(share)
        assert left.seconds() == pytest.approx(1000 - 600 * share)
    clock.now = 700
    left.end()
    assert left.seconds() == pytest.approx(400)


def test_work_of_half_the_pace_takes_twice_as_long_as_expected(clock):
    left = TimeLeft({"twin": 6000.0, "vdp": 4000.0}, clock)
    left.begin("twin")
    left.reached(0.0)
    clock.now += 6000
    left.reached(0.5)
    assert left.seconds() == pytest.approx(2 * 7000, rel=0.02)


def test_what_an_earlier_process_did_is_no_measure_of_the_pace(clock):
    left = TimeLeft({"twin": 600.0}, clock)
    left.begin("twin")
    clock.now += 20  # reading images
    left.reached(0.8)
    assert left.seconds() == pytest.approx(120)


def test_step_that_says_nothing_of_itself_goes_by_the_clock(clock):
    left = TimeLeft({"calibrate": 100.0, "export": 50.0}, clock)
    left.begin("calibrate")
    clock.now += 40
    assert left.seconds() == pytest.approx(110)
    clock.now += 1000
    assert left.seconds() == pytest.approx(60)


def test_log_gets_a_line_at_each_beginning_and_once_a_minute(clock):
    stream = io.StringIO()
    display = Display(TimeLeft({"calibrate": 600.0}, clock), stream, clock)
    with display.step("calibrate", "calibrating"):
        for _ in counted(range(20), "calibrating a run"):
            clock.now += 30
        for _ in counted(range(10), "measuring images"):
            clock.now += 30
    assert stream.getvalue().splitlines() == [
        "[4/6] calibrating: 10 minutes left in all",
        *(f"[4/6] calibrating: {done}% done, {left} left in all" for done, left in SAID),
    ]


SAID = [
    *((10, "9 minutes"), (20, "8 minutes"), (30, "7 minutes"), (40, "6 minutes"), (50, "5 minutes")),
    *((60, "4 minutes"), (70, "3 minutes"), (80, "2 minutes"), (90, "1 minute"), (100, "less than a minute")),
]


def test_terminal_has_one_line_that_is_written_over(clock):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    stream = Terminal()
    with Display(TimeLeft({"twin": 600.0}, clock), stream, clock).step("twin") as tell:
        clock.now += 60
        tell(0.1)
    assert stream.getvalue().count("\n") == 1
    assert stream.getvalue().count("\r") == 2
    assert stream.getvalue().endswith("\n")
