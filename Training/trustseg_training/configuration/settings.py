"""What a training run is made of, kept beside its checkpoints as JSON."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization
from TrustSegLib.networks import NetworkSpec

from .checks import SettingError, check

FILE = "configuration.json"


@dataclass(frozen=True)
class FitConfiguration:
    """Settings of `trustseg-train fit`.

    Attributes
    ----------
    data : str
        Folder in the layout of the Medical Segmentation Decathlon, or a CSV file: see `dataset.find_cases`.
    structures : tuple of str
        Names of labels 1, 2, ... as the network learns them.
    family, propagation : str
        See `TrustSegLib.networks.build`; an ensemble's members are trained alone.
    family_options : dict
        Further options of `TrustSegLib.networks.build`.
    architecture, dimensions, filters, normalization_layers, upsampling, activation, dropout
        See `TrustSegLib.networks.NetworkSpec`; ``filters`` has the kernels per level.
    spacing : tuple of float
        (x, y, z) mm that the network sees.
    orientation : str
        Letters to which the array's x, y and z axes point.
    patch : tuple of int
        (x, y, z) voxels; z is 1 for a network of two dimensions.
    channels : tuple of str
        Names of the image's channels, in the order in which the network sees them.
    normalization : Normalization
        Of the intensities; a dict of its fields is taken as well.
    label_map : dict of int to int
        Value in the label file to label; empty keeps the values. See `dataset.label_maps`.
    regions : dict of str to tuple of int
        Unions of labels that are judged as one, by name. They change no objective; the best epoch is that of
        the highest mean Dice over the regions, if there are any, and over the structures else.
    fold, folds : int or None, int
        Validate on this one of so many equal parts of all patients instead of on the ``val`` patients.
    train_patients : int or None
        Train with the first so many of a seeded shuffle; five are among the first ten.
    validation_fraction : float
        Share of patients to validate on where the data name no split.
    split_seed : int
        Of the split, the folds and the shuffle; ``seed`` is apart, so that an ensemble has one split.
    cache : str or None
        Folder for the prepared images of a data set that is larger than the memory, see `loading.cache`; None
        keeps all of them in memory. The results are the same.
    augmentation : str
        ``default``, see `loading.augmentation`; ``strong``, which adds `loading.strong_augmentation` and so
        trains on some families of the verification suite; ``noise``, which adds Gaussian noise to these; or
        ``none``.
    patches_per_patient : int
        Random patches of each image per epoch.
    foreground_share : float
        Share of the patches that are drawn around a structure, for structures much smaller than the image.
    epochs, batch_size, learning_rate, weight_decay, seed
        Of the optimization with AdamW and a cosine schedule; ``batch_size`` is per device.
    variance_learning_rate : float or None
        Of the parameters that the kernels' variances are made of; None for ``learning_rate``. Adam moves a
        parameter by about the rate in a step and these are about logarithms of the variances: with the rate
        of the means, a short training ends before they have left the value that they began with.
    objective : str
        ``cross_entropy_dice``, ``expected``, ``gaussian_nll``, or ``auto`` for what fits the family.
    class_weights : tuple of float or None
        One per class, the background first.
    kl_weight : float
        Tempering of the divergence: the objective has ``kl_weight * KL / (images * voxels)``. With
        cross-entropy and one patch per image, 1 is the evidence bound of voxels that err independently; less
        makes the variances smaller.
    kl_schedule : str
        ``constant``, or ``linear`` to let the weight of the divergence grow.
    logit_samples : int
        Even number of logit samples per step, in antithetic pairs.
    relative_variance : float
        Kernel variance at the start, relative to the mean square of the kernel's weights.
    initialize_from : str or None
        Run folder or bundle of a network of the same architecture, whose best weights are the first ones: one
        of the same family gives means and variances, another one, such as a deterministic twin, means alone.
    gradient_clip : float or None
        Largest norm of the gradient; None lets it be.
    validation_every : int
        Epochs from one validation to the next, a divisor of ``epochs``: for families of many passes.
    early_stopping : int or None
        Validations without a better one after which the run ends.
    ema : float or None
        Decay of the moving average of the weights, if one shall be kept.
    precision : str
        Lightning's precision, ``32-true``, ``bf16-mixed`` or ``16-mixed``.
    devices, num_nodes, strategy
        Lightning's: processes per machine, machines, and how they work together.

    Raises
    ------
    SettingError
        A value cannot train a network.
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
    variance_learning_rate: float | None = 3e-2
    weight_decay: float = 1e-4
    seed: int = 1
    kl_weight: float = 1.0
    logit_samples: int = 8
    relative_variance: float = 1e-2
    initialize_from: str | None = None
    precision: str = "32-true"
    architecture: str = "unet"
    dimensions: int = 3
    normalization_layers: str = "instance"
    upsampling: str = "transposed"
    activation: str = "leaky_relu"
    dropout: float = 0.0
    family_options: dict[str, int | float] = field(default_factory=dict)
    objective: str = "auto"
    class_weights: tuple[float, ...] | None = None
    kl_schedule: str = "constant"
    gradient_clip: float | None = 1.0
    validation_every: int = 1
    early_stopping: int | None = None
    ema: float | None = None
    fold: int | None = None
    folds: int = 5
    train_patients: int | None = None
    channels: tuple[str, ...] = ("image",)
    normalization: Normalization = Normalization()  # noqa: RUF009 - immutable
    devices: int = 1
    num_nodes: int = 1
    strategy: str = "auto"
    label_map: dict[int, int] = field(default_factory=dict)
    regions: dict[str, tuple[int, ...]] = field(default_factory=dict)
    validation_fraction: float = 0.2
    split_seed: int = 0
    augmentation: str = "default"
    patches_per_patient: int = 1
    foreground_share: float = 0.0
    cache: str | None = None

    def __post_init__(self) -> None:
        for name, value in _canonical(self).items():
            object.__setattr__(self, name, value)
        check(self)

    @property
    def network(self) -> NetworkSpec:
        """The network's specification."""
        return NetworkSpec(
            classes=len(self.structures) + 1,
            in_channels=len(self.channels),
            filters=tuple(self.filters),
            architecture=self.architecture,
            dimensions=self.dimensions,
            normalization=self.normalization_layers,
            upsampling=self.upsampling,
            activation=self.activation,
            dropout=self.dropout,
        )

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

        Settings that it does not have are the defaults, but for ``variance_learning_rate``: runs that do not
        know it had one rate for all parameters.

        Raises
        ------
        OptionError
            The folder holds no run, or one whose configuration is damaged.
        """
        path = run / FILE
        if not path.is_file():
            raise OptionError(f"{run}: no training run ({FILE} is missing); name a folder that `fit` wrote")
        try:
            values = {"variance_learning_rate": None} | json.loads(path.read_text(encoding="utf-8"))
            return cls(
                **{key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}
            )
        except (OSError, TypeError, ValueError) as error:
            raise OptionError(f"{path}: not a configuration ({error}); restore it, or train anew") from error


def _canonical(configuration: FitConfiguration) -> dict[str, object]:
    """The values that JSON and YAML write in another form, so that what is read equals what was written."""
    normalization = configuration.normalization
    if isinstance(normalization, dict):
        try:
            normalization = Normalization.from_dict(normalization)
        except OptionError as error:
            raise SettingError("normalization", configuration.normalization, str(error)) from error
    return {
        "normalization": normalization,
        "label_map": _whole_numbers(configuration.label_map),
        "regions": _regions(configuration.regions),
    }


def _whole_numbers(label_map: dict) -> dict[int, int]:
    """JSON has text for keys."""
    try:
        return {int(value): int(label) for value, label in label_map.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise SettingError("label_map", label_map, "map whole numbers to whole numbers") from error


def _regions(regions: dict) -> dict[str, tuple[int, ...]]:
    try:
        return {str(name): tuple(labels) for name, labels in regions.items()}
    except (AttributeError, TypeError) as error:
        raise SettingError("regions", regions, "give a list of labels for every name") from error


def is_run(folder: Path) -> bool:
    """Whether a folder is one that `fit` wrote."""
    return (folder / FILE).is_file()
