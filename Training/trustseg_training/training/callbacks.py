"""Callbacks of a run: checkpoints, pictures, averaged weights and early stopping."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import lightning
import numpy as np
from lightning.pytorch.callbacks import (
    Callback,
    EarlyStopping,
    EMAWeightAveraging,
    LearningRateMonitor,
    ModelCheckpoint,
    TQDMProgressBar,
)
from lightning.pytorch.loggers import TensorBoardLogger
from lightning.pytorch.utilities import rank_zero_only
from matplotlib import colormaps

from trustseg_training.config import FitConfiguration
from trustseg_training.data import Sample
from TrustSegLib.contract import DEFAULT_MAP, map_display

BEST, LAST = "best.ckpt", "last.ckpt"

#: By the names that the command line has for them.
CHECKPOINTS = {"best": BEST, "last": LAST}

#: An error probability of this and more has the brightest color, as in Slicer and the reports.
HIGHEST_ERROR = map_display(DEFAULT_MAP, classes=2).high


#: Takes the share of a run's steps that is done, from 0 to 1.
Watcher = Callable[[float], None]


def callbacks(configuration: FitConfiguration, run: Path, watcher: Watcher | None = None) -> list[Callback]:
    """All callbacks of a run; Lightning calls the checkpoints last, whatever their place."""
    shown = ProgressBar(refresh_rate=5) if watcher is None else Watched(watcher)
    chosen: list[Callback] = [LearningRateMonitor("epoch"), shown, Pictures()]
    if configuration.ema is not None:
        # Validation, the best checkpoint and the exported weights are those of the average.
        chosen.append(EMAWeightAveraging(decay=configuration.ema))
    if configuration.early_stopping is not None:
        patience = configuration.early_stopping
        chosen.append(EarlyStopping("val/dice", mode="max", patience=patience))
    return [*chosen, *checkpoints(run)]


def checkpoints(run: Path) -> list[ModelCheckpoint]:
    """Keep the best epoch, then every last one: `save_last` would write in epochs only that are the best."""
    best = ModelCheckpoint(
        run, BEST.removesuffix(".ckpt"), monitor="val/dice", mode="max", enable_version_counter=False
    )
    # In this order, so that the last checkpoint knows which one is the best; after every epoch, also after
    # those without a validation.
    last = ModelCheckpoint(
        run, LAST.removesuffix(".ckpt"), enable_version_counter=False, save_on_train_epoch_end=True
    )
    return [best, last]


class ProgressBar(TQDMProgressBar):
    """Lightning's with the run's own numbers, closed when a run ends early.

    An open bar is drawn again when the process exits.
    """

    def get_metrics(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule
    ) -> dict[str, int | str | float | dict[str, float]]:
        """Without the number of the log."""
        return {
            name: value for name, value in super().get_metrics(trainer, pl_module).items() if name != "v_num"
        }

    def on_exception(
        self, trainer: lightning.Trainer, pl_module: lightning.LightningModule, exception: BaseException
    ) -> None:
        """Close what is open."""
        for bar in (self._train_progress_bar, self._val_progress_bar):
            if bar is not None:
                bar.close()


class Watched(Callback):
    """Tells a watcher after every step, in the place of a bar."""

    def __init__(self, watcher: Watcher) -> None:
        self.watcher = watcher

    def on_train_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Count the steps of all epochs."""
        done = trainer.current_epoch * trainer.num_training_batches + batch_idx + 1
        self.watcher(done / (trainer.max_epochs * trainer.num_training_batches))


class Pictures(Callback):
    """Mask and uncertainty of the first validation patient, in TensorBoard, after every epoch."""

    @rank_zero_only
    def on_validation_batch_end(
        self,
        trainer: lightning.Trainer,
        pl_module: lightning.LightningModule,
        outputs: dict[str, np.ndarray] | None,
        batch: Sample,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Draw the slice in which the truth is largest."""
        boards = [logger for logger in trainer.loggers if isinstance(logger, TensorBoardLogger)]
        if outputs is None or not boards:
            return
        truth = batch["label"][0].cpu().numpy()
        z = int((truth > 0).sum(axis=(1, 2)).argmax())
        image = batch["image"][0, z].cpu().numpy()
        pictures = {
            "val/truth_and_mask": side_by_side(image, truth[z], outputs["labels"][z]),
            "val/error_probability": error_colors(outputs["error"][z]),
        }
        for name, picture in pictures.items():
            boards[0].experiment.add_image(name, picture, trainer.current_epoch, dataformats="HWC")


def side_by_side(image: np.ndarray, truth: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Truth (left) and mask (right) in color over the image; (H, W) each to (H, 2 W, 3) uint8."""
    low, high = np.percentile(image, (1, 99))
    gray = np.clip((image - low) / max(high - low, 1e-6), 0, 1)[..., None]
    halves = []
    for mask in (truth, labels):
        colors = colormaps["tab10"]((mask.astype(int) - 1) % 10)[..., :3]
        halves.append(np.where(mask[..., None] > 0, 0.5 * gray + 0.5 * colors, gray))
    return np.rint(255 * np.concatenate(halves, axis=1)).astype(np.uint8)


def error_colors(error: np.ndarray) -> np.ndarray:
    """Probability that the label is wrong on a fixed scale; (H, W) to (H, W, 3) uint8."""
    scaled = np.clip(error / HIGHEST_ERROR, 0, 1)
    return np.rint(255 * colormaps["magma"](scaled)[..., :3]).astype(np.uint8)
