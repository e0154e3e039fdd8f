"""What a training run is made of, kept beside its checkpoints as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization
from TrustSegLib.networks import FAMILIES, PROPAGATIONS, NetworkSpec

FILE = "configuration.json"


@dataclass(frozen=True)
class FitConfiguration:
    """Settings of `trustseg-train fit`.

    Attributes
    ----------
    data : str
        Folder with ``imagesTr``, ``labelsTr`` and ``splits.csv``.
    family, propagation : str
        See `TrustSegLib.networks.build`.
    filters : tuple of int
        Kernels per level of the U-Net.
    structures : tuple of str
        Names of labels 1, 2, ...
    spacing : tuple of float
        (x, y, z) mm that the network sees.
    orientation : str
        Letters to which the array's x, y and z axes point.
    patch : tuple of int
        (x, y, z) voxels.
    epochs, batch_size, learning_rate, weight_decay, seed
        Of the optimization with AdamW and a cosine schedule.
    kl_weight : float
        Tempering of the divergence: the objective has ``kl_weight * KL / (images * voxels)``.
    logit_samples : int
        Even number of logit samples per step, in antithetic pairs.
    relative_variance : float
        Kernel variance at the start, relative to the mean square of the kernel's weights.
    initialize_from : str or None
        Run folder of a deterministic twin whose best weights are the first means.
    precision : str
        Lightning's precision, ``32-true`` or ``bf16-mixed``.
    """

    data: str
    structures: tuple[str, ...]
    family: str = "vdp"
    propagation: str = "exact"
    filters: tuple[int, ...] = (12, 24, 48)
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0)
    orientation: str = "RAS"
    patch: tuple[int, int, int] = (40, 56, 40)
    epochs: int = 20
    batch_size: int = 4
    learning_rate: float = 3e-3
    weight_decay: float = 1e-4
    seed: int = 1
    kl_weight: float = 1e-2
    logit_samples: int = 8
    relative_variance: float = 1e-2
    initialize_from: str | None = None
    precision: str = "32-true"

    def __post_init__(self) -> None:
        divisor = self.network.size_divisor
        checks = {
            "family": self.family in FAMILIES,
            "propagation": self.propagation in PROPAGATIONS,
            "epochs": self.epochs >= 1,
            "batch_size": self.batch_size >= 1,
            "learning_rate": self.learning_rate > 0,
            "weight_decay": self.weight_decay >= 0,
            "seed": 0 <= self.seed < 2**32,
            "kl_weight": self.kl_weight >= 0,
            "logit_samples": self.logit_samples >= 2 and self.logit_samples % 2 == 0,
            "relative_variance": self.relative_variance > 0,
            "spacing": all(value > 0 for value in self.spacing),
            "patch": all(size > 0 and size % divisor == 0 for size in self.patch),
            "precision": self.precision in ("32-true", "bf16-mixed"),
        }
        for key, valid in checks.items():
            if not valid:
                raise OptionError(f"{key.replace('_', '-')} {getattr(self, key)!r} is not valid; see --help")

    @property
    def network(self) -> NetworkSpec:
        """The network's specification."""
        return NetworkSpec(classes=len(self.structures) + 1, filters=tuple(self.filters))

    @property
    def normalization(self) -> Normalization:
        """Intensity normalization: per-image z-score, which MR without a unit needs."""
        return Normalization()

    @property
    def patch_shape(self) -> tuple[int, int, int]:
        """(D, H, W) of a patch."""
        return self.patch[2], self.patch[1], self.patch[0]

    def save(self, run: Path) -> None:
        """Write the configuration into a run folder."""
        (run / FILE).write_text(json.dumps(asdict(self), indent=2) + "\n", encoding="utf-8")

    @classmethod
    def load(cls, run: Path) -> FitConfiguration:
        """Read the configuration of a run folder.

        Raises
        ------
        OptionError
            The folder holds no run, or one whose configuration is damaged.
        """
        path = run / FILE
        if not path.is_file():
            raise OptionError(f"{run}: no training run ({FILE} is missing); name a folder that `fit` wrote")
        try:
            values = dict(json.loads(path.read_text(encoding="utf-8")))
            return cls(
                **{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
            )
        except (OSError, TypeError, ValueError) as error:
            raise OptionError(f"{path}: not a configuration ({error}); restore it, or train anew") from error
