"""The time left, said once the network was measured on this computer."""

from __future__ import annotations

from TrustSegLib.commands.console import ProgressBar
from TrustSegLib.inference import Progress
from TrustSegLib.inference.plan import WORTH_SAYING, Plan


def said(capsys, times: list[float], total: int, shown: bool = True) -> str:
    """What a run of so many patches writes: the patches are done at these times, in seconds."""
    at = {"now": 0.0}
    with ProgressBar("head.nii.gz", shown, clock=lambda: at["now"]) as progress:
        progress(Progress("prepare", 1, 1))
        for done, at["now"] in enumerate(times, start=1):
            progress(Progress("predict", done, total))
    return capsys.readouterr().err


def test_minutes_are_said_once_and_only_from_the_second_patch_on(capsys):
    assert said(capsys, [30.0], 100) == ""
    # 2 s a patch, of which 298 are left; the first took 30 s to begin with.
    line = "head.nii.gz: about 10 min left, by the speed of its first patches\n"
    assert said(capsys, [30.0, 32.0, 60.0], 300) == line


def test_hours_come_with_what_shortens_them(capsys):
    text = said(capsys, [10.0, 20.0], 1000)
    assert "about 2.8 h left" in text
    assert "--roi" in text


def test_less_than_a_minute_and_quiet_runs_say_nothing(capsys):
    assert said(capsys, [1.0, 2.0], 50) == ""
    assert said(capsys, [10.0, 20.0], 1000, shown=False) == ""


def plan(computed: int) -> Plan:
    return Plan((512, 512, 300), (127, 78, 240), (3.9, 3.9, 2.5), computed + 15, computed, 1.74)


def test_long_work_is_told_before_it_starts(capsys):
    with ProgressBar("ct.nii.gz", shown=True) as progress:
        progress.plan(plan(150))
    assert capsys.readouterr().err == (
        "ct.nii.gz: 512 x 512 x 300 voxels; the network sees 127 x 78 x 240 of 3.9 x 3.9 x 2.5 mm in 150 "
        "patches (15 more are air or padding); about 1.7 GB of memory\n"
    )


def test_short_work_and_quiet_runs_have_no_line_of_a_plan(capsys):
    with ProgressBar("ct.nii.gz", shown=True) as progress:
        progress.plan(plan(WORTH_SAYING - 1))
    with ProgressBar("ct.nii.gz", shown=False) as progress:
        progress.plan(plan(150))
    assert capsys.readouterr().err == ""
