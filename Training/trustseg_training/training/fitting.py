"""`trustseg-train fit`: train one network on the patients of one folder."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path

import lightning
from lightning.pytorch.accelerators import CUDAAccelerator, MPSAccelerator
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_info, rank_zero_only

from trustseg_training.config import FILE, FitConfiguration, is_run
from trustseg_training.config.settings import concerns
from trustseg_training.data import PatientData
from TrustSegLib.errors import OptionError, OutputError, is_disk_full, output_error

from .callbacks import LAST, Watcher, callbacks
from .checkpoints import ending_of, start, with_absolute_paths
from .lightning_module import Segmentation

#: Warnings that a user can do nothing about: the folder is the run's own, the interval is ours.
LIGHTNING_ONLY = (
    r"Checkpoint directory .* exists and is not empty",
    r".*treespec, LeafSpec.* is deprecated",
    r"The number of training batches .* is smaller than the logging interval",
)


def fit(
    configuration: FitConfiguration,
    run: Path,
    *,
    resume: bool = False,
    accelerator: str = "auto",
    watcher: Watcher | None = None,
) -> float:
    """Train and keep the best and the last checkpoint in ``run``.

    Parameters
    ----------
    configuration : FitConfiguration
        Settings, written to ``run/configuration.json``.
    run : Path
        Run folder, written once the data are read. One that holds a run is continued with ``resume`` and
        refused without.
    resume : bool
        Continue from ``last.ckpt`` with the same configuration; from the start if no epoch was finished. A
        run that is finished, or that early stopping ended, stays as it is.
    accelerator : str
        Lightning's accelerator: ``auto``, ``cpu`` or ``gpu``.
    watcher : callable, optional
        Takes the share of the steps that is done; there is no bar then.

    Returns
    -------
    float
        Mean Dice of the validation patients in the best epoch, over the regions if there are any.

    Raises
    ------
    OptionError
        There is nothing to resume, something that would be overwritten, no GPU where one is asked for, or the
        network to start from does not fit.
    ImageError
        A patient cannot be used.
    OutputError
        The run folder or the cache cannot be written, the disk is full, or a file was refused in the middle;
        the last checkpoint is complete.
    KeyboardInterrupt
        The person stopped the run.
    """
    configuration = with_absolute_paths(configuration)
    _check_run(configuration, run, resume)
    if resume and (run / LAST).is_file():
        ending = ending_of(configuration, run / LAST)
        if ending is not None:
            rank_zero_info(f"{run}: {ending}")
            return ending.score
    if accelerator == "gpu" and not (CUDAAccelerator.is_available() or MPSAccelerator.is_available()):
        raise OptionError("accelerator gpu: this computer has no GPU that PyTorch can use; use cpu or auto")
    lightning.seed_everything(configuration.seed, workers=True, verbose=False)
    data = PatientData(configuration, run)
    data.setup()
    module = Segmentation(configuration, len(data.samples["train"]))
    checkpoint = run / LAST if resume and (run / LAST).is_file() else None
    if checkpoint is None:  # a run that was stopped in its first epoch starts again where it started
        start(module.network, data)
    _prepare_folder(configuration, data, run)
    try:
        with lightning_quiet():
            trainer = _trainer(configuration, run, accelerator, watcher)
            # weights_only: a checkpoint is data, never code
            trainer.fit(module, data, ckpt_path=checkpoint, weights_only=True)
    except SystemExit as stop:
        # Lightning turns Ctrl-C into an exit; the command has its own message and exit code for that.
        if trainer.interrupted:
            raise KeyboardInterrupt from stop
        raise
    except OSError as error:
        raise OutputError(f"{run}: {_what_stopped(error)}, then repeat the command with --resume") from error
    return float(trainer.checkpoint_callback.best_model_score)


def _what_stopped(error: OSError) -> str:
    """What went wrong on the computer in the middle of a run, and what to do, in one line."""
    if is_disk_full(error):
        return "the disk is full; make room"
    reason = " ".join((error.strerror or str(error) or type(error).__name__).split())
    place = "" if error.filename is None else f" at {error.filename}"
    return f"the training was stopped ({reason}{place}); fix that"


@contextmanager
def lightning_quiet() -> Iterator[None]:
    """Suppress what Lightning reports about its own workings."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            for message in LIGHTNING_ONLY:
                warnings.filterwarnings("ignore", message=message)
            yield
    finally:  # also where a run fails: what comes after it in this process has something to say
        logger.setLevel(level)


@rank_zero_only  # further processes start the same command when the first one has written the folder
def _check_run(configuration: FitConfiguration, run: Path, resume: bool) -> None:
    if resume:
        if not is_run(run):
            raise OptionError(f"{run}: nothing to resume ({FILE} is missing); start without --resume")
        started = with_absolute_paths(FitConfiguration.load(run))
        # The place of prepared images changes nothing: a run may continue with a cache elsewhere.
        names = [field.name for field in fields(FitConfiguration) if field.name != "cache"]
        names = [name for name in names if concerns(name, started.family)]
        other = [name for name in names if getattr(started, name) != getattr(configuration, name)]
        if other:
            value = getattr(started, other[0])
            raise OptionError(
                f"{run}: was started with another {other[0].replace('_', '-')}, "
                f"{'none' if value is None else repr(value)}; resume with the same options"
            )
    elif run.exists() and not run.is_dir():
        raise OptionError(f"{run}: not a folder; choose a new one")
    elif run.exists() and any(run.iterdir()):
        raise OptionError(f"{run}: not empty; choose a new folder, or add --resume to continue the run in it")


@rank_zero_only
def _prepare_folder(configuration: FitConfiguration, data: PatientData, run: Path) -> None:
    try:
        run.mkdir(parents=True, exist_ok=True)
        configuration.save(run)
        data.save_split(run)
    except OSError as error:
        raise output_error(run, error, "choose another folder") from error


def _trainer(
    configuration: FitConfiguration, run: Path, accelerator: str, watcher: Watcher | None
) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator=accelerator,
        devices=configuration.devices,
        num_nodes=configuration.num_nodes,
        strategy=configuration.strategy,
        max_epochs=configuration.epochs,
        precision=configuration.precision,
        gradient_clip_val=configuration.gradient_clip,
        callbacks=callbacks(configuration, run, watcher),
        enable_progress_bar=watcher is None,
        enable_model_summary=watcher is None,
        # A numbered folder per start: into one folder, Lightning would delete the log of the stopped run.
        logger=[CSVLogger(run, "csv"), TensorBoardLogger(run, "tensorboard", version="")],
        log_every_n_steps=10,
        check_val_every_n_epoch=configuration.validation_every,
        num_sanity_val_steps=0,
        use_distributed_sampler=False,  # the data deal out the patches themselves
    )
