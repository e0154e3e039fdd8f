"""Choose the settings of a first training run from a data set's fingerprint, and say why."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from trustseg_training.dataset import known_values
from trustseg_training.dataset.fingerprint import ORIENTATION, PERCENTILES, Fingerprint
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization

from .memory import machine_bytes, prepared_bytes, reason_for_cache, step_memory
from .settings import FitConfiguration

_FIRST_FILTERS, _MOST_LEVELS = 12, 5
_LEAST_BOTTOM = (
    6  # voxels along the shortest side at the deepest level: below, padding is most of what it sees
)
_MOST_ANISOTROPY = 3.0
_MOST_PADDING = 1.1
_BATCHES = (4, 3, 2, 1)
_SHORTEST_PATCH = 32  # voxels along its longest side: with less, there is no context
_STEPS = 5000
_LEAST_STEPS = 25  # of an epoch: a validation after every few steps takes longer than they do
#: Structures below this share of an image are missed by most random patches, however large these are.
_SMALL = 0.004

#: With fewer validation patients, the best epoch is chosen by chance, and no interval can be calibrated.
_FEW_PATIENTS = 10

_AIR = -500.0  # HU that only CT has

#: Reason of a setting that a preset has.
OF_THE_PRESET = "Of the preset."


@dataclass(frozen=True)
class Plan:
    """Chosen settings, the reasons by setting, and the memory that a step and all images take, estimated.

    Attributes
    ----------
    configuration : FitConfiguration
        Whole and checked.
    reasons : dict of str to str
        Why a setting has its value.
    step_bytes : int
        Of `memory.step_memory`.
    image_bytes : int
        Of `memory.prepared_bytes`.
    warnings : tuple of str
        What would make the figures of this training wrong or rough.
    """

    configuration: FitConfiguration
    reasons: dict[str, str]
    step_bytes: int
    image_bytes: int
    warnings: tuple[str, ...] = ()


def choose(data: str, fingerprint: Fingerprint, preset: dict[str, object], memory_gib: float) -> Plan:
    """Choose settings.

    Parameters
    ----------
    data : str
        As it shall stand in the configuration.
    fingerprint : Fingerprint
        Of the data.
    preset : dict
        Settings that are given and not chosen; see `yaml_file.settings_of_preset`.
    memory_gib : float
        What a training step may take.

    Raises
    ------
    OptionError
        The preset does not fit the data, or no patch fits the memory.
    """
    preset, reasons = dict(preset), {}
    kl_factor = preset.pop("kl_factor", None)
    settings: dict[str, object] = {"data": data, "orientation": ORIENTATION, "channels": fingerprint.channels}
    for part in (_labels, _spacing, _normalization):
        settings |= part(fingerprint, reasons)
    settings |= preset
    _check_preset(fingerprint, preset, settings)
    configuration = _network_and_patch(fingerprint, settings, preset, memory_gib, reasons)
    configuration = replace(configuration, **_sampling(fingerprint, configuration, preset, reasons))
    for name in preset:
        reasons[name] = OF_THE_PRESET
    if kl_factor is not None:
        configuration = replace(
            configuration, kl_weight=_kl_weight(kl_factor, fingerprint, configuration, reasons)
        )
    memory = step_memory(configuration).of(configuration.patch, configuration.batch_size)
    images = prepared_bytes(fingerprint, configuration)
    if (reason := reason_for_cache(images, machine_bytes())) is not None:
        reasons["cache"] = reason
    warnings = (*fingerprint.warnings, *_few_patients(fingerprint, configuration))
    return Plan(configuration, reasons, memory, images, warnings)


def _few_patients(fingerprint: Fingerprint, configuration: FitConfiguration) -> list[str]:
    drawn = max(round(fingerprint.patients * configuration.validation_fraction), 1)
    count = fingerprint.patients_of_splits.get("val", 0) if fingerprint.splits else drawn
    if count >= _FEW_PATIENTS:
        return []
    return [
        f"only {count} validation patient{'' if count == 1 else 's'}: Dice will be rough, and volume "
        f"intervals and expected Dice need {_FEW_PATIENTS}; move more patients to val, or raise "
        "validation_fraction"
    ]


def _labels(fingerprint: Fingerprint, reasons: dict[str, str]) -> dict[str, object]:
    values = list(fingerprint.values)
    if not values:
        raise OptionError("no image has a structure in its label; nothing can be learned from them")
    reasons["structures"] = "Names of labels 1, 2, ...: change them to what they are."
    settings: dict[str, object] = {"structures": tuple(fingerprint.values.values())}
    if values != list(range(1, len(values) + 1)):
        settings["label_map"] = {value: place for place, value in enumerate(values, start=1)}
        reasons["label_map"] = "Value in the files: label. The values in the files are not 1, 2, ..."
    if pairs := _sides(settings["structures"]):
        settings["mirrored_pairs"] = pairs
        reasons["mirrored_pairs"] = (
            "Patches are mirrored left to right; these structures, by their names of the two sides, exchange "
            "their labels then."
        )
    return settings


def _sides(structures: tuple[str, ...]) -> dict[str, str]:
    """Structures of the left side with those of the same name on the right side."""
    lower = {name.lower(): name for name in structures}
    mirrored = {name: re.sub(r"(?<![a-z])left(?![a-z])", "right", name.lower()) for name in structures}
    return {name: lower[other] for name, other in mirrored.items() if lower.get(other, name) != name}


def _spacing(fingerprint: Fingerprint, reasons: dict[str, str]) -> dict[str, object]:
    median = np.median(fingerprint.spacings, axis=0)
    spacing = np.maximum(median, median.max() / _MOST_ANISOTROPY)
    reasons["spacing"] = f"x y z in mm. Median of the images: {_listed(median)}."
    if (spacing > median * 1.01).any():
        reasons["spacing"] += (
            f" Finer axes are coarsened to 1/{_MOST_ANISOTROPY:g} of the coarsest: the network halves all "
            "axes alike."
        )
    return {"spacing": tuple(float(f"{value:.4g}") for value in spacing)}


def _normalization(fingerprint: Fingerprint, reasons: dict[str, str]) -> dict[str, object]:
    named = len(fingerprint.channels) == 1 and "CT" in fingerprint.channels[0].upper().split()
    air = len(fingerprint.channels) == 1 and fingerprint.intensities[0, PERCENTILES.index(0.5)] < _AIR
    if not (named or air):
        reasons["normalization"] = (
            "Each image and channel by itself, as MR needs: clipped to two percentiles, then z-score."
        )
        return {"normalization": Normalization()}
    inside = fingerprint.inside[0]
    low = math.floor(inside[PERCENTILES.index(0.5)] / 10) * 10
    high = max(math.ceil(inside[PERCENTILES.index(99.5)] / 10) * 10, low + 10)
    reasons["normalization"] = (
        f"{'The data say CT' if named else 'Values below -500 look like CT'}: a window in HU, from the 0.5 "
        "to the 99.5 percentile inside the structures, to 0-1. Narrow it if soft tissue matters more."
    )
    return {"normalization": Normalization("window", lower=float(low), upper=float(high))}


def _check_preset(fingerprint: Fingerprint, preset: dict[str, object], settings: dict[str, object]) -> None:
    if "structures" in preset:
        settings.setdefault("label_map", {})
        settings["mirrored_pairs"] = preset.get("mirrored_pairs", {})
        if "label_map" not in preset:
            settings["label_map"] = {}
        known = known_values(settings["label_map"], len(settings["structures"]) + 1)
        unknown = sorted(set(fingerprint.values) - known)
        if unknown:
            raise OptionError(
                f"preset: the labels have the values {unknown}, which it does not know (it knows "
                f"{sorted(known)}); use another preset, or none"
            )
    channels = settings["channels"]
    if len(channels) != len(fingerprint.channels):
        raise OptionError(
            f"preset: it needs the {len(channels)} channels {', '.join(channels)}, the images have "
            f"{len(fingerprint.channels)} ({', '.join(fingerprint.channels)}); use another preset, or none"
        )
    if set(fingerprint.channels) - {"image"} and "channels" in preset:
        settings["channels"] = fingerprint.channels  # the same, under the names that the data give them


def _network_and_patch(
    fingerprint: Fingerprint,
    settings: dict[str, object],
    preset: dict[str, object],
    memory_gib: float,
    reasons: dict[str, str],
) -> FitConfiguration:
    """Depth, patch and batch that fit the images and the memory."""
    extent = _extent(fingerprint, np.array(settings["spacing"]))
    configuration = _fitting(extent, settings, preset, memory_gib)
    reasons["filters"] = (
        f"Kernels per level. The deepest level is no shorter than {_LEAST_BOTTOM} voxels along any axis."
    )
    share = np.prod(np.minimum(configuration.patch / extent, 1))
    reasons["patch"] = (
        f"x y z in voxels: {share:.0%} of {_listed(extent)}, the size of most images at this spacing."
    )
    reasons["batch_size"] = f"Per device; fits {memory_gib:g} GiB."
    return configuration


def _fitting(
    extent: np.ndarray, settings: dict[str, object], preset: dict[str, object], memory_gib: float
) -> FitConfiguration:
    """The largest patch of which two fit the memory, then the largest batch; a preset's patch stays."""
    batches = [preset["batch_size"]] if "batch_size" in preset else _BATCHES
    patch, memories = np.ceil(extent), {}
    while True:
        configuration = _candidate(settings, preset, patch)
        if configuration.filters not in memories:
            memories[configuration.filters] = step_memory(configuration)
        memory = memories[configuration.filters]
        fitting = [size for size in batches if memory.of(configuration.patch, size) <= memory_gib * 2**30]
        if "patch" in preset or (fitting and fitting[0] >= min(2, max(batches))):
            return replace(configuration, batch_size=fitting[0] if fitting else batches[-1])
        if max(configuration.patch) <= _SHORTEST_PATCH:
            raise OptionError(
                f"memory {memory_gib:g} GiB: not enough for a patch of {configuration.patch}; allow more"
            )
        patch[np.argmax(patch / extent)] *= 0.9


def _extent(fingerprint: Fingerprint, spacing: np.ndarray) -> np.ndarray:
    """Size (x, y, z) in voxels that holds most images, but hardly more than the median one."""
    sizes = np.ceil(fingerprint.sizes * fingerprint.spacings / spacing - 1e-3)
    return np.minimum(np.percentile(sizes, 90, axis=0), _MOST_PADDING * np.median(sizes, axis=0))


def _candidate(settings: dict[str, object], preset: dict[str, object], patch: np.ndarray) -> FitConfiguration:
    flat = settings.get("dimensions", 3) == 2
    used = patch[:2] if flat else patch
    levels = 1 + int(np.log2(max(min(used) / _LEAST_BOTTOM, 1)))
    filters = preset.get(
        "filters", tuple(_FIRST_FILTERS * 2**level for level in range(min(levels, _MOST_LEVELS)))
    )
    divisor = 2 ** (len(filters) - 1)
    sizes = [max(math.ceil(size / divisor), 1) * divisor for size in used]
    chosen = {"filters": filters, "patch": (*sizes, 1) if flat else tuple(sizes)}
    return FitConfiguration(**{**chosen, **settings})


def _sampling(
    fingerprint: Fingerprint,
    configuration: FitConfiguration,
    preset: dict[str, object],
    reasons: dict[str, str],
) -> dict[str, object]:
    """How many patches of an image, where, and for how many epochs."""
    voxels = np.prod(fingerprint.sizes * fingerprint.spacings / configuration.spacing, axis=1)
    images = float(np.median(voxels)) / math.prod(configuration.patch)
    count = preset.get("patches_per_patient", min(max(math.ceil(images - 0.5), 1), 8))
    training = _training_images(fingerprint, configuration)
    wanted = math.ceil(_LEAST_STEPS * configuration.batch_size / training)
    reasons["patches_per_patient"] = (
        f"Random patches of an image per epoch; an image holds about {images:.1f}"
        + (f", and an epoch shall have {_LEAST_STEPS} steps." if wanted > count else ".")
    )
    if "patches_per_patient" not in preset:
        count = max(count, wanted)
    steps = max(training * count // configuration.batch_size, 1)
    epochs = min(max(math.ceil(_STEPS / steps), 20), 500)
    reasons["epochs"] = f"{epochs * steps} steps, {steps} per epoch. Try few first."
    chosen: dict[str, object] = {"patches_per_patient": count, "epochs": epochs}
    smallest = fingerprint.smallest
    if images > 1.5 or smallest < _SMALL:
        chosen["foreground_share"] = 0.33
        reasons["foreground_share"] = (
            f"Share of patches around a structure: structures are {fingerprint.foreground:.2%} of an "
            f"image, the smallest {smallest:.2%}."
        )
    return {name: value for name, value in chosen.items() if name not in preset}


def _training_images(fingerprint: Fingerprint, configuration: FitConfiguration) -> int:
    drawn = fingerprint.images - round(fingerprint.images * configuration.validation_fraction)
    return max(fingerprint.splits.get("train", drawn), 1)


def _kl_weight(
    kl_factor: float, fingerprint: Fingerprint, configuration: FitConfiguration, reasons: dict[str, str]
) -> float:
    """The weight with which ``kl_weight / (images * voxels)`` is the factor of the preset."""
    images, voxels = _training_images(fingerprint, configuration), math.prod(configuration.patch)
    reasons["kl_weight"] = (
        f"{kl_factor:g} * {images} training images * {voxels} voxels of a patch: the divergence is divided "
        f"by the last two, which leaves the published factor {kl_factor:g}."
    )
    return float(f"{kl_factor * images * voxels:.6g}")


def _listed(numbers: np.ndarray) -> str:
    return " ".join(f"{number:.4g}" for number in numbers)


def place_of(data: Path, file: Path) -> str:
    """How a configuration file names its data: from the file's folder if they lie under it, else whole."""
    data, folder = data.resolve(), file.resolve().parent
    return data.relative_to(folder).as_posix() if data.is_relative_to(folder) else str(data)
