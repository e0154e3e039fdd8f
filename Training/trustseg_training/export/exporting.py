"""`trustseg-train export`: write trained runs as a bundle, with the table that its card claims."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypedDict

import torch
from torch import Tensor

from trustseg_training.config import FitConfiguration
from trustseg_training.data import (
    TRAINING_RECORD,
    PatientData,
    Sample,
    cache_at_hand,
    touched_families,
    training_record,
)
from trustseg_training.data.augmented_families import KEY
from trustseg_training.evaluation import calibrated, check_members, means_of_patients, read_fit
from trustseg_training.metrics import dice, hd95, union_and_cut
from trustseg_training.training import BEST, load_weights, volume_network
from TrustSegLib.bundle import Bundle, ModelDescription, save_bundle
from TrustSegLib.bundle.calibration import fits_modality
from TrustSegLib.bundle.description import ModelInput, TrainingRecord
from TrustSegLib.errors import OptionError
from TrustSegLib.inference.sliding_window import sliding_window
from TrustSegLib.networks import build, join_members

from .calibration import calibration_section, check_new, with_section
from .card import Details, command_line, model_card, union_section
from .evidence import RobustnessResults, moments_section, read_moments, robustness_section


def export(
    runs: Path | Sequence[Path],
    bundle: Path,
    details: Path | None = None,
    checkpoint: str = BEST,
    robustness: RobustnessResults | None = None,
    moments: Path | None = None,
) -> Bundle:
    """Evaluate a checkpoint on the validation patients and write the bundle.

    Parameters
    ----------
    runs : Path or sequence of Path
        Folder that `fit` wrote, with its calibration if `calibrate` wrote one; several become the members of
        an ensemble.
    bundle : Path
        Folder to write; must not exist.
    details : Path, optional
        JSON of `Details`; what it does not have is that of the run.
    checkpoint : str
        `training.BEST` or `training.LAST`, of every run.
    robustness : RobustnessResults, optional
        Robustness tests of these weights, for `metrics.json` and the card.
    moments : Path, optional
        Folder of `trustseg-train moments` on these weights, for the same places.

    Returns
    -------
    Bundle
        The bundle as it can be loaded.

    Raises
    ------
    TrustSegError
        The run, the details or the bundle folder is not usable.
    """
    runs = [runs] if isinstance(runs, Path) else list(runs)
    configuration = FitConfiguration.load(runs[0])
    check_new(bundle)  # save_bundle does so too, but only after the evaluation
    described = Details.of_run(configuration, bundle, _modality(configuration, runs, checkpoint))
    if details is not None:
        described = Details.read(details, described)
    if [structure.name for structure in described.structures] != list(configuration.structures):
        raise OptionError(
            f"{details}: structures differ from those of the run, {', '.join(configuration.structures)}"
        )
    atlas = read_atlas(details, described)
    checked = _moments(moments, runs, checkpoint)
    exported = model_of_runs(runs, checkpoint)
    _check_finished(runs[0], exported)
    fitted = exported.fitted or {}
    calibration, figures = fitted.get("calibration"), fitted.get("figures", {})
    _check_modality(calibration, described)
    verified = (robustness or RobustnessResults()).read(runs, checkpoint)
    network = build(configuration.network, exported.family, configuration.propagation, **exported.options)
    network.eval().load_state_dict(exported.weights)
    data = PatientData(cache_at_hand(configuration), runs[0])
    rows, cuts = evaluate(network, data.read("val"), configuration, data.patient_of)
    summary, apart = summarize(rows), summarize(cuts)
    patients = {name: data.count(split) for name, split in (("train", "train"), ("validation", "val"))}
    card = model_card(described, configuration, runs, patients, summary, checkpoint)
    if apart:
        card = with_section(card, union_section(apart))
    card = with_section(card, calibration_section(calibration, figures, exported.options, exported.fitted))
    if checked:
        card = with_section(card, moments_section(checked, configuration.propagation))
    if verified:
        card = with_section(card, robustness_section(verified))
    description = _description(described, configuration, exported, patients, _commands(runs))
    metrics = {"checkpoint": checkpoint, "validation": summary, "validation_patients": rows}
    metrics["union_and_cut"] = apart
    metrics[TRAINING_RECORD] = {**training_record(runs), KEY: touched_families(runs)}
    if exported.fitted is not None:
        metrics["calibration"] = exported.fitted
    if checked:
        metrics["moments"] = checked
    if verified:
        metrics["verification"] = verified
    return save_bundle(bundle, description, network.state_dict(), card, calibration, metrics, atlas)


def read_atlas(details: Path | None, described: Details) -> bytes | None:
    """Content of the atlas of the locator, a file beside the details; None without a locator.

    Raises
    ------
    OptionError
        It is not there.
    """
    if details is None or described.locator is None:
        return None
    path = details.parent / described.locator.atlas
    try:
        return path.read_bytes()
    except OSError as error:
        raise OptionError(
            f"{path}: the atlas cannot be read ({error.strerror}); put it beside {details}"
        ) from error


def _check_finished(run: Path, exported: Exported) -> None:
    """A calibration that was stopped has scales, but no figures."""
    if exported.fitted is not None and "calibration" not in exported.fitted:
        raise OptionError(f"{run}: its calibration was stopped half-way; repeat trustseg-train calibrate")


def _modality(configuration: FitConfiguration, runs: Sequence[Path], checkpoint: str) -> str:
    """That of the calibration; else CT if a window normalizes the images, and OT (other) if none does."""
    fitted = read_fit(runs[0], checkpoint) if len(runs) == 1 and (runs[0] / checkpoint).is_file() else None
    found = ((fitted or {}).get("calibration") or {}).get("input", {}).get("modality")
    return found or ("CT" if configuration.normalization.method == "window" else "OT")


def _check_modality(calibration: dict[str, Any] | None, details: Details) -> None:
    """Input facts of CT differ from those of other modalities, and cannot be compared with them."""
    found = (calibration or {}).get("input", {}).get("modality", details.modality)
    if not fits_modality(found, details.modality):
        raise OptionError(
            f"{details.name}: modality {details.modality}, but the run was calibrated as {found}; repeat "
            f"trustseg-train calibrate with --modality {details.modality}"
        )


def _moments(folder: Path | None, runs: Sequence[Path], checkpoint: str) -> dict[str, Any] | None:
    if folder is None:
        return None
    if len(runs) > 1:
        raise OptionError("export: an ensemble has no moments of its own; leave out --moments")
    return read_moments(folder, runs[0], checkpoint)


def _commands(runs: Sequence[Path]) -> str:
    return " && ".join(command_line(FitConfiguration.load(run)) for run in runs)


def _description(
    details: Details,
    configuration: FitConfiguration,
    exported: Exported,
    patients: dict[str, int],
    command: str,
) -> ModelDescription:
    return ModelDescription(
        name=details.name,
        version=details.version,
        description=details.description,
        modality=details.modality,
        channels=tuple(details.channels),
        structures=tuple(details.structures),
        input=ModelInput(
            configuration.spacing, configuration.orientation, configuration.normalization, configuration.patch
        ),
        family=exported.family,
        propagation=configuration.propagation,
        network=configuration.network.to_dict(),
        training=TrainingRecord(details.data, details.data_license, patients, command, configuration.seed),
        license=details.license,
        family_options=exported.options,
        locator=details.locator,
        body_parts=details.body_parts,
    )


@dataclass(frozen=True)
class Exported:
    """A model as `TrustSegLib.networks.build` makes it.

    Attributes
    ----------
    family : str
        Of the model, which for an ensemble is not that of its members.
    options : dict
        Of the family, with temperature, variance scale and class bias where they were fitted.
    weights : dict
        State dict.
    fitted : dict or None
        Content of the run's calibration.
    """

    family: str
    options: dict[str, Any]
    weights: dict[str, Tensor]
    fitted: dict[str, Any] | None


def model_of_runs(runs: Sequence[Path], checkpoint: str = BEST) -> Exported:
    """Weights and options of one run, or of the ensemble that several make.

    Members are not calibrated one by one: the scales of each would not be those of their mean.

    Raises
    ------
    OptionError
        A run has no usable checkpoint or calibration, or the runs cannot be members of one ensemble.
    """
    configurations = [FitConfiguration.load(run) for run in runs]
    if len(runs) == 1:
        options = dict(calibrated(configurations[0], runs[0], checkpoint).family_options)
        weights, fitted = load_weights(runs[0], checkpoint), read_fit(runs[0], checkpoint)
        return Exported(configurations[0].family, options, weights, fitted)
    check_members(runs, configurations)
    weights = join_members([load_weights(run, checkpoint) for run in runs])
    return Exported("ensemble", {"members": len(runs)}, weights, None)


class Row(TypedDict):
    """One structure, or another mask, of one image. HD95 is None where prediction or truth is empty."""

    patient: str
    case: str
    structure: str
    dice: float
    hd95_mm: float | None


def evaluate(
    network: torch.nn.Module,
    samples: Iterable[Sample],
    configuration: FitConfiguration,
    patient_of: Callable[[str], str] = str,
) -> tuple[list[Row], list[Row]]:
    """Segment every image as inference does and compare with the truth.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    samples : iterable of Sample
        Patients that trained nothing.
    configuration : FitConfiguration
        Of the run.
    patient_of : callable
        From the name of an image to that of its patient; by default each is its own.

    Returns
    -------
    tuple of list of Row
        One per image and structure; and one per image and mask of `metrics.union_and_cut`.
    """
    rows: list[Row] = []
    cuts: list[Row] = []
    named = {name: label for label, name in enumerate(configuration.structures, start=1)}
    for sample in samples:
        image = sample["image"].numpy()
        mean, _ = sliding_window(image, volume_network(network), configuration.patch_shape)
        labels, truth = mean.argmax(axis=0), sample["label"][0].numpy()
        header = {"patient": patient_of(sample["name"]), "case": sample["name"]}
        for structure, index in named.items():
            masks = labels == index, truth == index
            distance = hd95(*masks, configuration.spacing)
            rows.append(Row(**header, structure=structure, dice=dice(*masks), hd95_mm=distance))
        apart = union_and_cut(labels, truth, configuration.spacing, named)
        cuts += [Row(**header, structure=title, **asdict(found)) for title, found in apart.items()]
    return rows, cuts


def summarize(rows: list[Row]) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation over patients of each structure; no HD95 when no patient has one.

    A patient with several images counts once, with their mean.
    """
    summary = {}
    for structure in dict.fromkeys(row["structure"] for row in rows):
        own = [row for row in rows if row["structure"] == structure]
        scores, distances = means_of_patients(own, "dice"), means_of_patients(own, "hd95_mm")
        patients = len(scores)
        summary[structure] = {
            "patients": patients,
            "images": len(own),
            "dice_mean": float(scores.mean()),
            "dice_std": float(scores.std(ddof=1)) if len(scores) > 1 else 0.0,
            "dice_min": float(scores.min()),
            "hd95_mm_mean": float(distances.mean()) if len(distances) else None,
            "hd95_missing": patients - len(distances),
        }
    return summary
