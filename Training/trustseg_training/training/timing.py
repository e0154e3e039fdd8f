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

#: Timed steps: at least so many, then until so many seconds have passed; one alone if it takes longer.
LEAST, SECONDS, MOST_SECONDS = 4, 6.0, 40.0

#: Validation images that are timed; the first one warms up if there are several.
IMAGES = 4


@dataclass(frozen=True)
class Times:
    """Seconds of a training step, its patches included, and of the validation of one image."""

    step: float
    image: float


def measure(configuration: FitConfiguration, data: PatientData, accelerator: str = "auto") -> Times:
    """Train for a few steps and validate a few images, without a trace on the disk.

    Parameters
    ----------
    configuration : FitConfiguration
        Its network, patch, batch, augmentation and precision are those of the run to come.
    data : PatientData
        Set up; its images need the preparation of ``configuration``.
    accelerator : str
        Lightning's.

    Returns
    -------
    Times
        Medians of the steps, means of the images.
    """
    own = PatientData(configuration)
    own.cases, own.samples = data.cases, data.samples
    images = DataLoader(own.samples["val"][:IMAGES], batch_size=None)
    lightning.seed_everything(configuration.seed, workers=True, verbose=False)
    module, clock = Segmentation(configuration, len(own.samples["train"])), _Clock()
    with lightning_quiet():
        _trainer(configuration, accelerator, clock).fit(module, train_dataloaders=own.train_dataloader())
        _trainer(configuration, accelerator, clock).validate(module, images, verbose=False)
    return Times(median(clock.steps), mean(clock.images[1:] or clock.images))


def _trainer(configuration: FitConfiguration, accelerator: str, clock: Callback) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator=accelerator,
        devices=1,
        max_epochs=-1,
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

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.images: list[float] = []
        self._count, self._began, self._last = 0, 0.0, 0.0

    def on_train_batch_end(self, trainer: lightning.Trainer, *arguments: object) -> None:
        """Stop when enough is known."""
        now, self._count = time.perf_counter(), self._count + 1
        if self._count > WARM_UP:
            self.steps.append(now - self._last)
            enough = len(self.steps) >= LEAST and now - self._began > SECONDS
            trainer.should_stop = enough or now - self._began > MOST_SECONDS
        else:
            self._began = now
        self._last = now

    def on_validation_batch_start(self, *arguments: object) -> None:
        """An image begins."""
        self._last = time.perf_counter()

    def on_validation_batch_end(self, *arguments: object) -> None:
        """An image ends."""
        self.images.append(time.perf_counter() - self._last)
