"""Training patches and validation volumes for Lightning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lightning
import torch
from lightning.pytorch.utilities.rank_zero import rank_zero_info
from monai.data import set_track_meta
from torch.utils.data import DataLoader, Dataset, Sampler

from trustseg_training.config import FitConfiguration
from trustseg_training.dataset import SPLIT_TABLE, Case, DatasetError, Inspector, list_cases
from trustseg_training.progress import counted
from TrustSegLib.errors import ImageError, OptionError

from . import augmentation
from .cache import ImageCache
from .preprocessing import Sample, inspector, to_sample
from .splits import apply_saved, assign, save_split

READING = "reading images"


class Patches(Dataset):
    """Random patches of every image; the draw depends on seed, epoch and place in the epoch alone."""

    def __init__(self, samples: list[Sample], configuration: FitConfiguration) -> None:
        self.samples, self.seed = samples, configuration.seed
        self.repeats = configuration.patches_per_patient
        self.transform = augmentation.training(configuration)

    def __len__(self) -> int:
        return len(self.samples) * self.repeats

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(C, D, H, W) float32 image and (D, H, W) int64 label of ``(epoch, index)``; without D in 2D."""
        epoch, index = key
        self.transform.set_random_state(seed=hash((self.seed, epoch, index)) % 2**32)
        sample = self.samples[index % len(self.samples)]
        patch = self.transform({name: sample[name] for name in ("image", "label")})
        return patch["image"].float(), patch["label"][0].long()


class EpochSampler(Sampler):
    """Shuffled (epoch, index) pairs: a resumed run draws what the unbroken one would have drawn.

    Of several processes, each takes every ``replicas``-th pair of the one order: their batches together are
    the batch of one process with ``replicas`` times the size. What does not divide evenly is left out of the
    epoch, for all processes need the same number of batches.

    Parameters
    ----------
    count : int
        Length of the data set.
    seed : int
        Of the order.
    rank, replicas : int
        This process and the number of processes; ``count`` is at least ``replicas``.
    """

    def __init__(self, count: int, seed: int, rank: int = 0, replicas: int = 1) -> None:
        self.count, self.seed, self.epoch = count, seed, 0
        self.rank, self.replicas = rank, replicas

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count // self.replicas

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch)) % 2**63)
        order = torch.randperm(self.count, generator=generator).tolist()
        for index in order[self.rank : len(self) * self.replicas : self.replicas]:
            yield self.epoch, index


class PatientData(lightning.LightningDataModule):
    """All images, split by patient: in memory, or on a disk with the setting ``cache``.

    The Trainer needs ``use_distributed_sampler=False``: with several processes, each takes its share of the
    training patches by itself, and each validates all patients.

    Parameters
    ----------
    configuration : FitConfiguration
        Of the run.
    run : Path or None
        Run folder, whose written split holds if it has one.
    """

    def __init__(self, configuration: FitConfiguration, run: Path | None = None) -> None:
        super().__init__()
        self.configuration, self.run = configuration, run
        self.samples: dict[str, list[Sample]] = {}
        self.cases: list[Case] = []
        place = configuration.cache
        self.cache = None if place is None else ImageCache(Path(place), configuration)

    def setup(self, stage: str | None = None) -> None:
        """Read, check and prepare every image of the sets ``train`` and ``val`` once.

        Raises
        ------
        DatasetError
            Some files cannot be used: every one, with the reason.
        OutputError
            The cache cannot be written.
        TrustSegError
            The data set or its split is not usable as a whole.
        """
        if self.samples:
            return
        set_track_meta(False)
        self.cases = self._find()
        self.samples = self._read("train", "val")

    def read(self, split: str) -> list[Sample]:
        """The prepared images of a set; those of ``test`` are read for the first time here.

        Raises
        ------
        ImageError
            The set is empty.
        TrustSegError
            As `setup`.
        """
        set_track_meta(False)
        self.cases = self.cases or self._find()
        if split not in self.samples:
            self.samples |= self._read(split)
        if not self.samples[split]:
            raise ImageError(f"{self.configuration.data}: no patient has split {split}")
        return self.samples[split]

    def count(self, split: str) -> int:
        """How many patients a set has, without reading their images; after `setup` or `read`."""
        return len({case.patient for case in self.cases if case.split == split})

    def patient_of(self, name: str) -> str:
        """Whose image it is; after `setup` or `read`."""
        return next(case.patient for case in self.cases if case.name == name)

    def save_split(self, run: Path) -> None:
        """Write who trains and who validates into a run folder, unless it says so already."""
        if not (run / SPLIT_TABLE).is_file():
            save_split(self.cases, run)

    def _find(self) -> list[Case]:
        data = Path(self.configuration.data)
        cases, problems = list_cases(data)
        if problems:  # no split can be made, but every file shall be named
            raise DatasetError(data, [*problems, *self._inspect(cases)])
        if self.run is not None and (self.run / SPLIT_TABLE).is_file():
            return apply_saved(cases, self.run / SPLIT_TABLE)
        return assign(cases, self.configuration)

    def _inspect(self, cases: list[Case]) -> list[str]:
        checks = inspector(self.configuration)
        for case in counted(cases, READING):
            checks.read(case)
        checks.finish()
        return checks.problems

    def _read(self, *splits: str) -> dict[str, list[Sample]]:
        checks, prepared = inspector(self.configuration), {split: [] for split in splits}
        for case in counted([case for case in self.cases if case.split in splits], READING):
            sample = self._prepared(case, checks)
            if sample is not None:
                prepared[case.split].append(sample)
        checks.finish()
        if checks.problems:
            raise DatasetError(Path(self.configuration.data), checks.problems)
        for note in checks.notes:
            rank_zero_info(f"note: {note}")
        return prepared

    def _prepared(self, case: Case, checks: Inspector) -> Sample | None:
        """An image as the network sees it, from the cache if it is there; None once files have problems."""
        if self.cache is not None and (found := self.cache.find(case)) is not None:
            sample, findings = found
            checks.recall(case, findings)
            return sample
        volumes = checks.read(case)
        if volumes is None or checks.problems:
            return None
        sample = to_sample(case, *volumes, self.configuration)
        return sample if self.cache is None else self.cache.store(case, sample, checks.findings[case])

    def train_dataloader(self) -> DataLoader:
        """Augmented patches in shuffled batches: this process's share."""
        patches = Patches(self.samples["train"], self.configuration)
        rank, replicas = (self.trainer.global_rank, self.trainer.world_size) if self.trainer else (0, 1)
        if len(patches) < replicas:
            raise OptionError(
                f"devices: {replicas} processes for {len(patches)} patches per epoch; use fewer processes "
                "or more patches per patient"
            )
        sampler = EpochSampler(len(patches), self.configuration.seed, rank, replicas)
        size = self.configuration.batch_size
        # A last batch of few patches would pull as hard as a full one; the only batch there is must stay.
        return DataLoader(patches, size, sampler=sampler, drop_last=len(sampler) >= size)

    def val_dataloader(self) -> DataLoader:
        """Whole volumes, one at a time."""
        return DataLoader(self.samples["val"], batch_size=None)
