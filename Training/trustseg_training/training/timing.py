"""How long a training step and the validation of an image take on this computer."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import mean, median

import lightning
from lightning.pytorch.callbacks import Callback
from torch.utils.data import DataLoader

from trustseg_training.config import FitConfiguration
from trustseg_training.data import PatientData

from .fitting import lightning_quiet
from .lightning_module import Segmentation

#: Steps before those that are timed: the first ones choose algorithms and fill caches.
WARM_UP = 2

#: Timed steps, unless all take `PATIENCE` times the time that is allowed: then one is enough, even the first.
LEAST, PATIENCE = 4, 6

#: Validation images that are timed; the first one warms up if there are several.
IMAGES = 4

#: Epochs that are never reached.
_MANY = 10**6


@dataclass(frozen=True)
class Times:
    """Seconds of a training step, its patches included, and of the validation of one image."""

    step: float
    image: float


def measure(
    configuration: FitConfiguration, data: PatientData, accelerator: str = "auto", seconds: float = 6.0
) -> Times:
    """Train for a few steps and validate a few images, without a trace on the disk.

    Parameters
    ----------
    configuration : FitConfiguration
        Its network, patch, batch, augmentation and precision are those of the run to come.
    data : PatientData
        Set up; its images need the preparation of ``configuration``.
    accelerator : str
        Lightning's.
    seconds : float
        For the steps.

    Returns
    -------
    Times
        Medians of the steps, means of the images.
    """
    own = PatientData(configuration)
    own.cases, own.samples = data.cases, data.samples
    images = DataLoader(own.samples["val"][:IMAGES], batch_size=None)
    lightning.seed_everything(configuration.seed, workers=True, verbose=False)
    module, clock = Segmentation(configuration, len(own.samples["train"])), _Clock(seconds)
    with lightning_quiet():
        _trainer(configuration, accelerator, clock).fit(module, own.train_dataloader(), images)
        _trainer(configuration, accelerator, clock).validate(module, images, verbose=False)
    return Times(median(clock.steps), mean(clock.images[1:] or clock.images))


def _trainer(configuration: FitConfiguration, accelerator: str, clock: Callback) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=_MANY,
        check_val_every_n_epoch=_MANY,
        num_sanity_val_steps=0,
        precision=configuration.precision,
        gradient_clip_val=configuration.gradient_clip,
        callbacks=[clock],
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )


class _Clock(Callback):
    """Times whole steps, from the end of one to the end of the next: patches are drawn in between."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.steps: list[float] = []
        self.images: list[float] = []
        self._count, self._began, self._last = 0, 0.0, 0.0

    def on_train_start(self, *arguments: object) -> None:
        """The first step begins."""
        self._began = self._last = time.perf_counter()

    def on_train_batch_end(self, trainer: lightning.Trainer, *arguments: object) -> None:
        """Stop when enough is known."""
        now, self._count = time.perf_counter(), self._count + 1
        impatient = now - self._began > PATIENCE * self.seconds
        if self._count > WARM_UP or impatient:
            self.steps.append(now - self._last)
        enough = len(self.steps) >= LEAST and now - self._began > self.seconds
        trainer.should_stop = enough or impatient
        self._last = now

    def on_validation_batch_start(self, *arguments: object) -> None:
        """An image begins."""
        self._last = time.perf_counter()

    def on_validation_batch_end(self, *arguments: object) -> None:
        """An image ends."""
        self.images.append(time.perf_counter() - self._last)
