"""Training patches and validation volumes for Lightning."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import lightning
import torch
from monai.data import set_track_meta
from torch.utils.data import DataLoader, Dataset, Sampler
from tqdm import tqdm

from . import augmentation
from .cases import find_cases
from .configuration import FitConfiguration
from .preprocessing import Sample, prepare


class Patches(Dataset):
    """One random patch per patient and epoch; the draw depends on seed, epoch and patient alone."""

    def __init__(self, samples: list[Sample], configuration: FitConfiguration) -> None:
        self.samples, self.seed = samples, configuration.seed
        self.transform = augmentation.patches(configuration.patch_shape)

    def __len__(self) -> int:
        return len(self.samples)

    def __getitem__(self, key: tuple[int, int]) -> tuple[torch.Tensor, torch.Tensor]:
        """(C, D, H, W) float32 image and (D, H, W) int64 label of ``(epoch, index)``."""
        epoch, index = key
        self.transform.set_random_state(seed=hash((self.seed, epoch, index)) % 2**32)
        patch = self.transform({name: self.samples[index][name] for name in ("image", "label")})
        return patch["image"].float(), patch["label"][0].long()


class EpochSampler(Sampler):
    """Shuffled (epoch, index) pairs: a resumed run draws what the unbroken one would have drawn."""

    def __init__(self, count: int, seed: int) -> None:
        self.count, self.seed, self.epoch = count, seed, 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return self.count

    def __iter__(self) -> Iterator[tuple[int, int]]:
        generator = torch.Generator().manual_seed(hash((self.seed, self.epoch)) % 2**63)
        for index in torch.randperm(self.count, generator=generator).tolist():
            yield self.epoch, index


class PatientData(lightning.LightningDataModule):
    """All patients in memory, split by patient."""

    def __init__(self, configuration: FitConfiguration) -> None:
        super().__init__()
        self.configuration = configuration
        self.samples: dict[str, list[Sample]] = {}

    def setup(self, stage: str | None = None) -> None:
        """Read and prepare every patient once."""
        if self.samples:
            return
        set_track_meta(False)
        cases = find_cases(Path(self.configuration.data))
        prepared = {"train": [], "val": []}
        for case in tqdm(cases, desc="reading patients", unit="patient", disable=None):
            prepared[case.split].append(prepare(case, self.configuration))
        self.samples = prepared

    def train_dataloader(self) -> DataLoader:
        """Augmented patches in shuffled batches."""
        patches = Patches(self.samples["train"], self.configuration)
        sampler = EpochSampler(len(patches), self.configuration.seed)
        size = self.configuration.batch_size
        # A last batch of few patches would pull as hard as a full one; the only batch there is must stay.
        return DataLoader(patches, size, sampler=sampler, drop_last=len(patches) >= size)

    def val_dataloader(self) -> DataLoader:
        """Whole volumes, one at a time."""
        return DataLoader(self.samples["val"], batch_size=None)
