"""What a training run is made of, kept beside its checkpoints as JSON, and whether it can train."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization
from TrustSegLib.networks import FAMILIES, PROPAGATIONS, TRAINED_FAMILIES, NetworkSpec

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


OBJECTIVES = ("auto", "cross_entropy_dice", "expected", "gaussian_nll")
KL_SCHEDULES = ("constant", "linear")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
AUGMENTATIONS = ("default", "strong", "noise", "none")

_NETWORK = {  # settings of a network, by the name that `NetworkSpec` has for them
    "architecture": "architecture",
    "dimensions": "dimensions",
    "filters": "filters",
    "normalization_layers": "normalization",
    "upsampling": "upsampling",
    "activation": "activation",
    "dropout": "dropout",
}
_MOST_CLASSES = 256  # labels are kept as uint8


class SettingError(OptionError):
    """A setting has a value that cannot train; ``setting`` is its name."""

    def __init__(self, setting: str, value: object, allowed: str) -> None:
        super().__init__(f"{setting.replace('_', '-')} {value!r} is not valid; {allowed}")
        self.setting = setting


def check(configuration: FitConfiguration) -> None:
    """Refuse a value that cannot train a network.

    Raises
    ------
    SettingError
        Naming the setting and what is allowed.
    """
    _check_network(configuration)
    rules = {
        **_choices(configuration),
        **_counts(configuration),
        **_numbers(configuration),
        **_shapes(configuration),
        **_labels(configuration),
    }
    for setting, (valid, allowed) in rules.items():
        if not valid:
            raise SettingError(setting, getattr(configuration, setting), allowed)


def _check_network(configuration: FitConfiguration) -> None:
    for setting, name in _NETWORK.items():
        if name != "normalization":  # whose groups have to fit the filters: with all of them, below
            _network_error(configuration, setting, {name: getattr(configuration, setting)})
    names = {name: getattr(configuration, setting) for setting, name in _NETWORK.items()}
    _network_error(configuration, "normalization_layers", names)


def _network_error(configuration: FitConfiguration, setting: str, values: dict) -> None:
    try:
        NetworkSpec(classes=2, **values)
    except OptionError as error:
        said = str(error).removeprefix("network: ")
        raise SettingError(setting, getattr(configuration, setting), said) from error


def _one_of(value: object, choices: tuple[str, ...]) -> tuple[bool, str]:
    return value in choices, f"choose one of {', '.join(choices)}"


def _choices(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    return {
        "family": _one_of(c.family, TRAINED_FAMILIES),
        "propagation": _one_of(c.propagation, PROPAGATIONS),
        "objective": _one_of(c.objective, OBJECTIVES),
        "kl_schedule": _one_of(c.kl_schedule, KL_SCHEDULES),
        "precision": _one_of(c.precision, PRECISIONS),
        "augmentation": _one_of(c.augmentation, AUGMENTATIONS),
        "strategy": (isinstance(c.strategy, str) and c.strategy != "", "a strategy of Lightning, or auto"),
        "cache": (c.cache is None or c.cache != "", "a folder, or none, is needed"),
        "normalization": (isinstance(c.normalization, Normalization), "give its method and limits"),
    }


def _counts(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    names = ("epochs", "batch_size", "devices", "num_nodes", "patches_per_patient")
    rules = {name: (getattr(c, name) >= 1, "a whole number of at least 1 is needed") for name in names}
    for name in ("early_stopping", "train_patients"):
        value = getattr(c, name)
        rules[name] = (value is None or value >= 1, "a whole number of at least 1, or none, is needed")
    for name in ("seed", "split_seed"):
        rules[name] = (0 <= getattr(c, name) < 2**32, "a whole number from 0 to 2**32 - 1 is needed")
    every = c.validation_every >= 1 and c.epochs % max(c.validation_every, 1) == 0
    even = c.logit_samples >= 2 and c.logit_samples % 2 == 0
    return {
        **rules,
        "validation_every": (every, "a divisor of the number of epochs is needed"),
        "logit_samples": (even, "an even number of at least 2 is needed"),
        "folds": (c.folds >= 2, "a whole number of at least 2 is needed"),
        "fold": (c.fold is None or 0 <= c.fold < c.folds, f"use 0 to {c.folds - 1} (folds is {c.folds})"),
    }


def _numbers(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    positive = ("learning_rate", "relative_variance")
    rules = {name: (getattr(c, name) > 0, "a number above 0 is needed") for name in positive}
    for name in ("weight_decay", "kl_weight"):
        rules[name] = (getattr(c, name) >= 0, "a number of at least 0 is needed")
    clip, decay, rate = c.gradient_clip, c.ema, c.variance_learning_rate
    return {
        **rules,
        "gradient_clip": (clip is None or clip > 0, "a number above 0, or none, is needed"),
        "variance_learning_rate": (rate is None or rate > 0, "a number above 0, or none, is needed"),
        "ema": (decay is None or 0 < decay < 1, "a number between 0 and 1, or none, is needed"),
        "foreground_share": (0 <= c.foreground_share <= 1, "a number from 0 to 1 is needed"),
        "validation_fraction": (0 < c.validation_fraction < 1, "a number between 0 and 1 is needed"),
    }


def _shapes(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    divisor, inside = c.network.size_divisor, c.patch[: c.dimensions]
    fits = len(c.patch) == 3 and all(size > 0 and size % divisor == 0 for size in inside)
    flat = c.dimensions == 3 or c.patch[2:] == (1,)
    sizes = f"multiples of {divisor} (the network has {len(c.filters)} levels)"
    allowed = f"give x y z in {sizes}" if c.dimensions == 3 else f"give x y in {sizes}, and 1 for z"
    letters = sorted("RAS".translate(_AXES)) == sorted(c.orientation.translate(_AXES))
    return {
        "spacing": (len(c.spacing) == 3 and all(s > 0 for s in c.spacing), "give x y z in mm, all above 0"),
        "patch": (fits and flat, allowed),
        "orientation": (letters, "use one letter each of R/L, A/P and S/I, such as RAS"),
    }


_AXES = str.maketrans("RLAPSI", "xxyyzz")


def _labels(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    classes = len(c.structures) + 1
    known = range(classes)
    weights, several = c.class_weights, "give one name each, every name once"
    weighted = weights is None or (len(weights) == classes and min(weights) >= 0 and max(weights) > 0)
    unions = all(labels and set(labels) <= set(known) for labels in c.regions.values())
    # Scores and tables have structures and regions side by side; a structure's score has its number.
    apart = all(name and not name.isdigit() and name not in c.structures for name in c.regions)
    own_names = "its name is no number and no structure's"
    named = 0 < len(c.structures) < _MOST_CLASSES and len(set(c.structures)) == len(c.structures)
    return {
        "structures": (named, several),
        "channels": (0 < len(c.channels) == len(set(c.channels)), several),
        "class_weights": (weighted, f"give {classes} numbers of at least 0, the background first"),
        "label_map": (
            set(c.label_map.values()) <= set(known),
            f"map every value in the files to a label, 0 to {classes - 1}",
        ),
        "regions": (unions and apart, f"give labels, 0 to {classes - 1}, for every region; {own_names}"),
    }


_OF_RANDOM_WEIGHTS = ("kl_weight", "kl_schedule", "relative_variance", "variance_learning_rate")


def concerns(setting: str, family: str) -> bool:
    """Whether a setting has an effect on networks of a family."""
    return setting not in _OF_RANDOM_WEIGHTS or FAMILIES[family].random_weights
