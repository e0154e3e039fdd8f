"""Whether the values of a configuration can train a network."""

from __future__ import annotations

from typing import TYPE_CHECKING

from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization
from TrustSegLib.networks import FAMILIES, PROPAGATIONS, NetworkSpec

if TYPE_CHECKING:
    from .settings import FitConfiguration

OBJECTIVES = ("auto", "cross_entropy_dice", "expected", "gaussian_nll")
KL_SCHEDULES = ("constant", "linear")
PRECISIONS = ("32-true", "bf16-mixed", "16-mixed")
AUGMENTATIONS = ("default", "strong", "noise", "none")
#: Families that are trained as they are: the members of an ensemble are trained one by one.
TRAINED_FAMILIES = tuple(family for family in FAMILIES if family != "ensemble")

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
