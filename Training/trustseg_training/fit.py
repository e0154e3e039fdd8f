"""`trustseg-train fit`: train one network on the patients of one folder."""

from __future__ import annotations

from pathlib import Path

import lightning
import torch
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint, TQDMProgressBar
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger

from TrustSegLib.errors import OptionError
from TrustSegLib.networks import start_from_deterministic

from .configuration import FitConfiguration
from .data import PatientData
from .lightning_module import Segmentation

BEST, LAST = "best.ckpt", "last.ckpt"


def fit(
    configuration: FitConfiguration, run: Path, *, resume: bool = False, accelerator: str = "auto"
) -> None:
    """Train and keep the best and the last checkpoint in ``run``.

    Parameters
    ----------
    configuration : FitConfiguration
        Settings, written to ``run/configuration.json``.
    run : Path
        Run folder. A folder that holds a run is continued with ``resume`` and refused without.
    resume : bool
        Continue from ``last.ckpt`` with the same configuration.
    accelerator : str
        Lightning's accelerator: ``auto``, ``cpu`` or ``gpu``.

    Raises
    ------
    OptionError
        There is nothing to resume, or something that would be overwritten.
    """
    _prepare_folder(configuration, run, resume)
    lightning.seed_everything(configuration.seed, workers=True, verbose=False)
    data = PatientData(configuration)
    data.setup()
    module = Segmentation(configuration, len(data.samples["train"]))
    if configuration.initialize_from and not resume:
        weights = load_weights(Path(configuration.initialize_from))
        start_from_deterministic(module.network, weights, configuration.relative_variance)
    trainer = _trainer(configuration, run, accelerator)
    # weights_only: a checkpoint is data, never code
    trainer.fit(module, data, ckpt_path=run / LAST if resume else None, weights_only=True)


def load_weights(run: Path, checkpoint: str = BEST) -> dict[str, torch.Tensor]:
    """The network's weights from a checkpoint of a run.

    Raises
    ------
    OptionError
        The run has no such checkpoint.
    """
    path = run / checkpoint
    if not path.is_file():
        raise OptionError(f"{path}: not found; train with `trustseg-train fit` first")
    state = torch.load(path, map_location="cpu", weights_only=True)["state_dict"]
    return {name.removeprefix("network."): value for name, value in state.items()}


def _prepare_folder(configuration: FitConfiguration, run: Path, resume: bool) -> None:
    if resume:
        if not (run / LAST).is_file():
            raise OptionError(f"{run}: nothing to resume ({LAST} is missing); start without --resume")
        if FitConfiguration.load(run) != configuration:
            raise OptionError(f"{run}: was started with other options; resume with the same ones")
        return
    if run.exists() and any(run.iterdir()):
        raise OptionError(f"{run}: not empty; choose a new folder, or add --resume to continue the run in it")
    run.mkdir(parents=True, exist_ok=True)
    configuration.save(run)


def _trainer(configuration: FitConfiguration, run: Path, accelerator: str) -> lightning.Trainer:
    checkpoints = ModelCheckpoint(
        run,
        BEST.removesuffix(".ckpt"),
        monitor="val/dice",
        mode="max",
        save_last=True,
        enable_version_counter=False,
    )
    return lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=configuration.epochs,
        precision=configuration.precision,
        gradient_clip_val=1.0,
        callbacks=[checkpoints, LearningRateMonitor("epoch"), TQDMProgressBar(refresh_rate=5)],
        logger=[CSVLogger(run, "csv", version=""), TensorBoardLogger(run, "tensorboard", version="")],
        log_every_n_steps=10,
        num_sanity_val_steps=0,
    )
