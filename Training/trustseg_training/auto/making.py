"""From data to model: a plan, its steps that are not done yet, and a summary."""

from __future__ import annotations

import os
import shlex
from functools import partial

import torch

from TrustSegLib.bundle import load_bundle
from TrustSegLib.errors import OptionError, output_error

from . import steps
from .fitted_plan import TWIN, VDP
from .planning import make_plan
from .record import DETAILS, EVALUATION, Record, Request
from .schedule import STEPS
from .steps import Say
from .summary import summary
from .time_left import Display, TimeLeft, in_words


def make_model(request: Request, say: Say | None = None) -> None:
    """Make a model of a data set; called again after whatever stopped it, go on from there.

    Parameters
    ----------
    request : Request
        Data, bundle folder and budget.
    say : callable, optional
        Takes each line for the person; prints it by default.

    Raises
    ------
    DatasetError
        Files of the data set cannot be used: every one, with the reason.
    TrustSegError
        Something else cannot be used, or the request is not that of the model that was begun.
    """
    say = say or partial(print, flush=True)  # a log shall have the lines in their order
    record = _begun(request)
    if record is not None and os.path.lexists(request.output):
        load_bundle(request.output)
        say(f"{request.output}: finished already; there is nothing to do")
    else:
        accelerator = "gpu" if torch.cuda.is_available() else "cpu"
        record = _go_on(request, record or _planned(request, accelerator, say), accelerator, say)
    for line in summary(request, record):
        say(line)


def commands(request: Request, record: Record) -> list[str]:
    """What the steps are, command by command."""
    work, run = request.work, str(request.work / VDP)
    last = ["--checkpoint", "last"]
    modality = ["--modality", record.modality] if record.modality else []
    cases = ["--cases", str(record.cases)] if record.cases < record.validation else []
    return [
        shlex.join(["trustseg-train", *words])
        for words in (
            *(
                ["fit", "--config", str(work / f"{name}.yaml"), "-o", str(work / name)]
                for name in (TWIN, VDP)
            ),
            ["calibrate", run, *last, *modality, *cases],
            ["evaluate", run, *last, "--data", str(request.data), "-o", str(work / EVALUATION)],
            ["export", run, *last, "--details", str(work / DETAILS), "-o", str(request.output)],
        )
    ]


def _begun(request: Request) -> Record | None:
    """The plan of this very request; None before there is one."""
    record = Record.load(request.work)
    if record is not None:
        record.check(request)
    elif os.path.lexists(request.output):
        raise OptionError(f"{request.output}: exists already; remove it or choose another name")
    return record


def _planned(request: Request, accelerator: str, say: Say) -> Record:
    budget = 60 * request.minutes
    say(f"{request.output}: planned for {in_words(budget)}; whatever stops it, the same command goes on")
    try:
        request.work.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(request.work, error, "choose another output") from error
    with Display(TimeLeft({"plan": budget})).step("plan"):
        record, lines = make_plan(request, accelerator)
    for line in lines:
        say(line)
    for warning in record.warnings:
        say(f"warning: {warning}")
    say("command by command:")
    for command in commands(request, record):
        say(f"  {command}")
    say(
        f"{request.work}: {TWIN}.yaml and {VDP}.yaml have all settings with their reasons; to change them, "
        "stop before a training has begun, edit them, and repeat the command"
    )
    return record


def _go_on(request: Request, record: Record, accelerator: str, say: Say) -> Record:
    waiting = [step for step in record.seconds if not steps.is_done(step, request, record)]
    if done := [STEPS[step] for step in record.seconds if step not in waiting]:
        say(f"{request.work}: done already: {', '.join(done)}")
    display = Display(TimeLeft({step: record.seconds[step] for step in waiting}))
    for step in waiting:
        with display.step(step, _COUNTS.get(step)) as tell:
            if step in (TWIN, VDP):
                steps.train(step, request, accelerator, tell, say)
            elif step == "calibrate":
                record = steps.calibrate(request, record, accelerator)
            elif step == "evaluate":
                steps.evaluate(request, accelerator)
            else:
                steps.write_bundle(request)
    return record


#: Beginnings of the titles under which steps count their images.
_COUNTS = {"calibrate": "calibrating", "evaluate": "evaluating"}
