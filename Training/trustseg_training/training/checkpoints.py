"""Checkpoints of a run: its weights, also for another training to start from, and how it ended."""

from __future__ import annotations

import os
import zipfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch.utilities import rank_zero_info
from torch import nn

from trustseg_training.config import FitConfiguration, is_run
from trustseg_training.data import TRAINING_RECORD, PatientData, check_leakage, patients_known_to
from TrustSegLib.bundle import ModelDescription, find_bundle, known_models, load_bundle
from TrustSegLib.errors import OptionError
from TrustSegLib.networks import start_from

from .callbacks import BEST


def load_weights(run: Path, checkpoint: str = BEST) -> dict[str, torch.Tensor]:
    """The network's weights from a checkpoint of a run.

    Raises
    ------
    OptionError
        The run has no such checkpoint, or a damaged one.
    """
    weights = read_checkpoint(run / checkpoint)["state_dict"]
    return {name.removeprefix("network."): value for name, value in weights.items()}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Content of a checkpoint: data, never code.

    Raises
    ------
    OptionError
        It is missing or damaged.
    """
    if not path.is_file():
        raise OptionError(f"{path}: not found; train with `trustseg-train fit` first")
    damaged = OptionError(f"{path}: not a checkpoint of a run, or damaged; train again")
    if not zipfile.is_zipfile(path):
        raise damaged
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError) as error:
        raise damaged from error
    if not isinstance(state, dict) or not {"state_dict", "epoch", "callbacks"} <= set(state):
        raise damaged
    return state


def with_absolute_paths(configuration: FitConfiguration) -> FitConfiguration:
    """The configuration with absolute paths, since a run is used from other folders too."""
    origin = configuration.initialize_from
    if origin is not None and origin not in known_models():
        origin = os.path.abspath(origin)
    return replace(configuration, data=os.path.abspath(configuration.data), initialize_from=origin)


def start(network: nn.Module, data: PatientData) -> None:
    """Give a new network the weights that its configuration starts from, if any.

    Parameters
    ----------
    network : nn.Module
        Changed in place.
    data : PatientData
        Of the run, set up. Its configuration's ``initialize_from`` is a run folder, or a bundle: a folder, an
        archive or a model's name.

    Raises
    ------
    OptionError
        The weights belong to another architecture, or were trained with a patient of this run's
        validation or test set.
    TrustSegError
        There is no such run or bundle, or it is damaged.
    """
    configuration = data.configuration
    if configuration.initialize_from is None:
        return
    origin = Path(configuration.initialize_from)
    if is_run(origin):
        check_leakage(origin, configuration, data.cases)
        weights, known = load_weights(origin), _known(FitConfiguration.load(origin))
    else:
        bundle = load_bundle(find_bundle(origin))
        weights, known = bundle.network().state_dict(), _known_to_bundle(bundle.description)
        _check_bundle(origin, (bundle.metrics() or {}).get(TRAINING_RECORD), data)
    try:
        start_from(network, weights, configuration.relative_variance)
    except OptionError as error:
        raise OptionError(
            f"{origin}: cannot be started from, its network is another; use the same structures, channels, "
            "architecture, dimensions, filters and layers, and no ensemble"
        ) from error
    _note_differences(origin, known, _known(configuration))


def _check_bundle(origin: Path, record: dict[str, Any] | None, data: PatientData) -> None:
    """As `check_leakage`, by the digests that a bundle has of its training patients."""
    if record is None:
        rank_zero_info(
            f"note: {origin} does not say which patients trained it; where this run is evaluated on such "
            "patients, its figures are too good"
        )
        return
    held_out = [case for case in data.cases if case.split != "train"]
    known = patients_known_to(record, held_out, Path(data.configuration.data))
    if known:
        raise OptionError(
            f"{origin}: was trained with {len(known)} of the patients that this run is evaluated on, such as "
            f"{known[0]}; let them train, or start from another model"
        )


def _note_differences(origin: Path, known: dict[str, Any], own: dict[str, Any]) -> None:
    for setting, value in known.items():
        if value != own[setting]:
            rank_zero_info(
                f"note: {origin} was trained on images with {setting} {value}, this run has {own[setting]}"
            )


def _known(configuration: FitConfiguration) -> dict[str, Any]:
    """Properties of images and labels that a network depends on."""
    names = ("channels", "structures", "spacing", "orientation", "normalization")
    return {name: getattr(configuration, name) for name in names}


def _known_to_bundle(description: ModelDescription) -> dict[str, Any]:
    return {
        "structures": tuple(structure.name for structure in description.structures),
        "spacing": description.input.spacing_mm,
        "orientation": description.input.orientation,
        "normalization": description.input.normalization,
    }


@dataclass(frozen=True)
class Ending:
    """How a run ended.

    Attributes
    ----------
    epochs : int
        That it trained.
    early : bool
        Whether `early_stopping` ended it.
    score : float
        ``val/dice`` of its best epoch.
    """

    epochs: int
    early: bool
    score: float

    def __str__(self) -> str:
        why = "ended early, without a better validation" if self.early else "is finished"
        return f"{why}, after {self.epochs} epoch{'' if self.epochs == 1 else 's'}: nothing to resume"


def ending_of(configuration: FitConfiguration, checkpoint: Path) -> Ending | None:
    """How a run ended, from its last checkpoint; None while the run has epochs to train.

    Raises
    ------
    OptionError
        The checkpoint is damaged.
    """
    state = read_checkpoint(checkpoint)
    early = any(
        callback.get("stopped_epoch", 0) > 0 for name, callback in _callbacks(state, "EarlyStopping").items()
    )
    epochs = state["epoch"] + 1
    if not early and epochs < configuration.epochs:
        return None
    scores = [
        float(callback["best_model_score"])
        for callback in _callbacks(state, "ModelCheckpoint").values()
        if callback.get("monitor") == "val/dice" and callback["best_model_score"] is not None
    ]
    return Ending(epochs, early, scores[0]) if scores else None


def _callbacks(state: dict, kind: str) -> dict[str, dict]:
    """States of Lightning's callbacks of a kind; their names begin with it."""
    return {name: content for name, content in state["callbacks"].items() if name.startswith(kind)}
