"""The settings of a training run, kept beside its checkpoints as JSON, and whether they can train a network.

Imaging is imported where a normalization is made, not before: `fit --help` does without SimpleITK.
"""

# ruff: noqa: RUF009 - the calls make fields, no defaults

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_type_hints

from TrustSegLib.errors import OptionError
from TrustSegLib.networks import ARCHITECTURES, FAMILIES, PROPAGATIONS, TRAINED_FAMILIES, NetworkSpec

from .declaration import (
    ABOVE_0,
    BETWEEN_0_AND_1,
    EVEN,
    NAMES,
    NOT_NEGATIVE,
    SEED,
    SHARE,
    Rule,
    SettingError,
    declarations,
    documented,
    one_of,
    setting,
    whole,
)

if TYPE_CHECKING:
    from TrustSegLib.imaging import Normalization

FILE = "configuration.json"

_MOST_CLASSES = 256  # labels are kept as uint8
_AXES = str.maketrans("RLAPSI", "xxyyzz")
_SPACING = Rule(
    lambda sizes: len(sizes) == 3 and all(size > 0 for size in sizes), "give x y z in mm, all above 0"
)
_ORIENTATION = Rule(
    lambda letters: sorted(letters.translate(_AXES)) == ["x", "y", "z"],
    "use one letter each of R/L, A/P and S/I, such as RAS",
)

_data, _network, _patches, _objective, _optimization, _computer = (
    partial(setting, section)
    for section in ("Data", "Network", "Patches", "Objective", "Optimization", "Computer")
)


def _default_normalization() -> Normalization:
    from TrustSegLib.imaging import Normalization

    return Normalization()


@documented
@dataclass(frozen=True)
class FitConfiguration:
    """Settings of `trustseg-train fit`.

    Raises
    ------
    SettingError
        A value cannot train a network.

    Attributes
    ----------
    """

    data: str = _data(
        "folder with imagesTr and labelsTr, or a CSV file",
        "A configuration file names it relative to its own folder.",
        is_place=True,
    )
    structures: tuple[str, ...] = _data(
        "names of labels 1, 2 and so on",
        metavar="NAME",
        rule=Rule(lambda names: NAMES.valid(names) and len(names) < _MOST_CLASSES, NAMES.allowed),
    )
    channels: tuple[str, ...] = _data(
        "names of the image's channels, in the order in which the network sees them",
        metavar="NAME",
        rule=NAMES,
        default=("image",),
    )
    label_map: dict[int, int] = _data(
        "value in the label files: label that the network learns; empty keeps the values", default=dict
    )
    regions: dict[str, tuple[int, ...]] = _data(
        "unions of labels that are evaluated as one, such as {whole: [1, 2]}",
        "They change no objective. With regions, the best epoch is that of the highest mean Dice over "
        "them, without any over the structures.",
        default=dict,
    )
    spacing: tuple[float, float, float] = _data(
        "voxel size in mm along x, y and z that the network sees",
        metavar="MM",
        rule=_SPACING,
        default=(1.0, 1.0, 1.0),
    )
    orientation: str = _data("where x, y and z point", metavar="LETTERS", rule=_ORIENTATION, default="RAS")
    normalization: Normalization = _data(
        "{method: zscore} with two percentiles, or {method: window} with two intensities",
        default=_default_normalization,
    )
    validation_fraction: float = _data(
        "share of the patients to validate on, where the data name no split",
        rule=BETWEEN_0_AND_1,
        default=0.2,
    )
    split_seed: int = _data(
        "of split, folds and shuffle",
        "Runs that are compared need the same; the members of an ensemble share it and differ in seed.",
        rule=SEED,
        default=0,
    )
    fold: int | None = _data(
        "validate on this one of the folds, from 0", "{none} keeps the split of the data.", default=None
    )
    folds: int = _data("equal parts of the patients", rule=whole(2), default=5)
    train_patients: int | None = _data(
        "train with the first so many of a seeded shuffle",
        "{none} for all; five are among the first ten.",
        rule=whole(1).or_none,
        default=None,
    )
    cache: str | None = _data(
        "folder for the prepared images of a data set that is larger than the memory",
        "{none} keeps all of them in memory; the results are the same.",
        metavar="FOLDER",
        rule=Rule(lambda folder: folder != "", "a folder, or none, is needed"),
        is_place=True,
        default=None,
    )

    family: str = _network(
        f"kind of network: {', '.join(TRAINED_FAMILIES[:-1])} or {TRAINED_FAMILIES[-1]}",
        "The members of an ensemble are trained one by one.",
        rule=Rule(TRAINED_FAMILIES.__contains__, f"choose one of {', '.join(TRAINED_FAMILIES)}"),
        default="vdp",
    )
    family_options: dict[str, int | float] = _network(
        "further options of the family, such as {passes: 20}", default=dict
    )
    propagation: str = _network("how the variance is propagated", rule=one_of(*PROPAGATIONS), default="exact")
    architecture: str = _network("kind of encoder-decoder", rule=one_of(*ARCHITECTURES), default="unet")
    dimensions: int = _network("slices or volumes", rule=one_of(2, 3), default=3)
    filters: tuple[int, ...] = _network("kernels per level", default=(12, 24, 48))
    normalization_layers: str = _network(
        "layers of normalization: instance, group, batch or none", default="instance"
    )
    upsampling: str = _network(
        "in the decoder: transposed, linear, nearest or zero_insertion", default="transposed"
    )
    activation: str = _network("activation function: leaky_relu or relu", default="leaky_relu")
    dropout: float = _network("share dropped at the bottleneck; mc_dropout needs one", default=0.0)
    relative_variance: float = _network(
        "kernel variance at the start, relative to the mean square of the kernel's weights",
        rule=ABOVE_0,
        for_random_weights=True,
        default=1e-2,
    )
    initialize_from: str | None = _network(
        "run, bundle or model's name to start from: a deterministic twin, or a model to be tuned on new data",
        "A network of the same family gives means and variances, one of another family means alone.",
        metavar="MODEL",
        is_place=True,
        default=None,
    )

    patch: tuple[int, int, int] = _patches(
        "size in voxels along x, y and z",
        "Multiples of 2 to the power of (levels - 1); z is 1 for a network of slices.",
        metavar="VOXELS",
        default=(40, 56, 40),
    )
    patches_per_patient: int = _patches("random patches of an image per epoch", rule=whole(1), default=1)
    foreground_share: float = _patches(
        "share of the patches that are drawn around a structure",
        "For structures much smaller than the image.",
        rule=SHARE,
        default=0.0,
    )
    augmentation: str = _patches(
        "random changes of the patches",
        "strong adds elastic deformation, anisotropy, bias field and gamma, of which the last three are "
        "in the robustness suites too; noise adds Gaussian noise to these. planning_ct adds couch, mask, "
        "streaks, noise and a wider field of view to CT that was blanked outside of the body.",
        rule=one_of("default", "strong", "noise", "planning_ct", "none"),
        default="default",
    )
    mirrored_pairs: dict[str, str] = _patches(
        "structures of the two sides, such as {Left parotid: Right parotid}",
        "Patches are mirrored left to right; these exchange their labels then. The list is empty where "
        "no structure has a side.",
        default=dict,
    )

    objective: str = _objective(
        "what training minimizes; auto fits the family",
        rule=one_of("auto", "cross_entropy_dice", "expected", "gaussian_nll"),
        default="auto",
    )
    class_weights: tuple[float, ...] | None = _objective(
        "one per class, the background first", "{none}: all classes count alike.", metavar="W", default=None
    )
    kl_weight: float = _objective(
        "tempering of the divergence from the prior",
        "The objective has kl_weight * KL / (images * voxels). With cross-entropy and one patch per "
        "image, 1 is the evidence bound of voxels that err independently; less makes the variances "
        "smaller.",
        rule=NOT_NEGATIVE,
        for_random_weights=True,
        default=1.0,
    )
    kl_schedule: str = _objective(
        "weight of the divergence over the steps",
        "linear lets it grow.",
        rule=one_of("constant", "linear"),
        for_random_weights=True,
        default="constant",
    )
    logit_samples: int = _objective(
        "samples of the logits per step, an even number", "In antithetic pairs.", rule=EVEN, default=8
    )

    epochs: int = _optimization("passes over the training images", rule=whole(1), default=20)
    batch_size: int = _optimization("patches per step and device", rule=whole(1), default=4)
    learning_rate: float = _optimization(
        "largest rate of AdamW, which follows a cosine", metavar="RATE", rule=ABOVE_0, default=3e-3
    )
    variance_learning_rate: float | None = _optimization(
        "of the variances of weights, or {none} for the learning rate",
        "Adam moves a parameter by about the rate in a step, and these are about logarithms of the "
        "variances: with the rate of the means, a short training ends before they have left their first "
        "value.",
        metavar="RATE",
        rule=ABOVE_0.or_none,
        for_random_weights=True,
        default=3e-2,
    )
    weight_decay: float = _optimization("of AdamW", rule=NOT_NEGATIVE, default=1e-4)
    gradient_clip: float | None = _optimization(
        "largest norm of the gradient, or {none}", metavar="NORM", rule=ABOVE_0.or_none, default=1.0
    )
    validation_every: int = _optimization(
        "epochs from one validation to the next, a divisor of their number",
        "More than 1 for families of many passes.",
        default=1,
    )
    early_stopping: int | None = _optimization(
        "end after so many validations without a better one",
        "{none} trains to the last epoch.",
        rule=whole(1).or_none,
        default=None,
    )
    ema: float | None = _optimization(
        "validate and keep a moving average of the weights with this decay, such as 0.999",
        metavar="DECAY",
        rule=BETWEEN_0_AND_1.or_none,
        default=None,
    )
    seed: int = _optimization("of weights, patches and samples", rule=SEED, default=1)

    precision: str = _computer(
        "of the computation",
        "bf16-mixed needs half the memory, on new GPUs and CPUs.",
        rule=one_of("32-true", "bf16-mixed", "16-mixed"),
        default="32-true",
    )
    devices: int = _computer("processes on each machine", rule=whole(1), default=1)
    num_nodes: int = _computer("machines", rule=whole(1), default=1)
    strategy: str = _computer(
        "Lightning's, such as ddp",
        rule=Rule(lambda name: isinstance(name, str) and name != "", "a strategy of Lightning, or auto"),
        default="auto",
    )

    def __post_init__(self) -> None:
        for name, value in _canonical(self).items():
            object.__setattr__(self, name, value)
        _check(self)

    @property
    def network(self) -> NetworkSpec:
        """The network's specification."""
        values = {name: getattr(self, own) for own, name in _NETWORK.items()}
        values["filters"] = tuple(self.filters)
        return NetworkSpec(classes=len(self.structures) + 1, in_channels=len(self.channels), **values)

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
            raise OptionError(f"{path}: not a configuration ({error}); restore it, or train again") from error


def is_run(folder: Path) -> bool:
    """Whether a folder is one that `fit` wrote."""
    return (folder / FILE).is_file()


def setting_types(normalization: type = dict) -> dict[str, Any]:
    """Type of every setting.

    Parameters
    ----------
    normalization : type
        Of the setting ``normalization``, which text and files give as a mapping.
    """
    return get_type_hints(FitConfiguration, localns={"Normalization": normalization})


#: Settings that name a file or folder.
PLACES = tuple(name for name, declared in declarations(FitConfiguration).items() if declared.is_place)


def concerns(setting: str, family: str) -> bool:
    """Whether a setting has an effect on networks of a family."""
    return FAMILIES[family].random_weights or not declarations(FitConfiguration)[setting].for_random_weights


def _canonical(configuration: FitConfiguration) -> dict[str, object]:
    """The values that JSON and YAML write in another form, so that what is read equals what was written."""
    from TrustSegLib.imaging import Normalization

    normalization = configuration.normalization
    if isinstance(normalization, dict):
        try:
            normalization = Normalization.from_dict(normalization)
        except OptionError as error:
            raise SettingError("normalization", configuration.normalization, str(error)) from error
    if not isinstance(normalization, Normalization):
        raise SettingError("normalization", normalization, "give its method and limits")
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


#: Settings of a network, by the name that `NetworkSpec` has for them.
_NETWORK = {
    "architecture": "architecture",
    "dimensions": "dimensions",
    "filters": "filters",
    "normalization_layers": "normalization",
    "upsampling": "upsampling",
    "activation": "activation",
    "dropout": "dropout",
}


def _check(configuration: FitConfiguration) -> None:
    """Refuse a value that cannot train a network, with a `SettingError` that says what is allowed."""
    _check_network(configuration)
    for name, declared in declarations(FitConfiguration).items():
        value = getattr(configuration, name)
        if declared.rule is not None and not declared.rule.valid(value):
            raise SettingError(name, value, declared.rule.allowed)
    together = {
        **_training(configuration),
        **_augmentation(configuration),
        **_patch(configuration),
        **_labels(configuration),
    }
    for name, (valid, allowed) in together.items():
        if not valid:
            raise SettingError(name, getattr(configuration, name), allowed)


def _check_network(configuration: FitConfiguration) -> None:
    values = {own: getattr(configuration, own) for own in _NETWORK}
    for own, value in values.items():
        if own != "normalization_layers":  # whose groups have to fit the filters: with all of them, below
            _check_spec(own, value, {_NETWORK[own]: value})
    together = {_NETWORK[own]: value for own, value in values.items()}
    _check_spec("normalization_layers", configuration.normalization_layers, together)


def _check_spec(name: str, value: object, values: dict[str, object]) -> None:
    try:
        NetworkSpec(classes=2, **values)
    except OptionError as error:
        raise SettingError(name, value, str(error).removeprefix("network: ")) from error


def _training(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    every = c.validation_every >= 1 and c.epochs % max(c.validation_every, 1) == 0
    return {
        "validation_every": (every, "a divisor of the number of epochs is needed"),
        "fold": (c.fold is None or 0 <= c.fold < c.folds, f"use 0 to {c.folds - 1} (folds is {c.folds})"),
    }


def _augmentation(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    sides = [name for pair in c.mirrored_pairs.items() for name in pair]
    paired = len(set(sides)) == len(sides) and set(sides) <= set(c.structures)
    window = c.augmentation != "planning_ct" or c.normalization.method == "window"
    return {
        "mirrored_pairs": (paired, f"pair names of structures, each at most once: {', '.join(c.structures)}"),
        "augmentation": (
            window,
            "it needs HU: set normalization to {method: window, lower: ..., upper: ...}",
        ),
    }


def _patch(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    divisor, inside = c.network.size_divisor, c.patch[: c.dimensions]
    fits = len(c.patch) == 3 and all(size > 0 and size % divisor == 0 for size in inside)
    flat = c.dimensions == 3 or c.patch[2:] == (1,)
    sizes = f"multiples of {divisor} (the network has {len(c.filters)} levels)"
    allowed = f"give x y z in {sizes}" if c.dimensions == 3 else f"give x y in {sizes}, and 1 for z"
    return {"patch": (fits and flat, allowed)}


def _labels(c: FitConfiguration) -> dict[str, tuple[bool, str]]:
    classes = len(c.structures) + 1
    known = set(range(classes))
    weights = c.class_weights
    weighted = weights is None or (len(weights) == classes and min(weights) >= 0 and max(weights) > 0)
    unions = all(labels and set(labels) <= known for labels in c.regions.values())
    # Scores and tables have structures and regions side by side; a structure's score has its number.
    apart = all(name and not name.isdigit() and name not in c.structures for name in c.regions)
    own_names = "its name is no number and no structure's"
    return {
        "class_weights": (weighted, f"give {classes} numbers of at least 0, the background first"),
        "label_map": (
            set(c.label_map.values()) <= known,
            f"map every value in the files to a label, 0 to {classes - 1}",
        ),
        "regions": (unions and apart, f"give labels, 0 to {classes - 1}, for every region; {own_names}"),
    }
