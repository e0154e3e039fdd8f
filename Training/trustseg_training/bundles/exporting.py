"""`trustseg-train export`: write a trained network as a bundle, with the table that its card claims."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from trustseg_training.configuration import FitConfiguration
from trustseg_training.loading import PatientData, cache_at_hand
from trustseg_training.run import BEST
from TrustSegLib.bundle import Bundle, ModelDescription, save_bundle
from TrustSegLib.bundle.calibration import fits_modality
from TrustSegLib.bundle.description import ModelInput, Structure, TrainingRecord
from TrustSegLib.errors import BundleError, OptionError
from TrustSegLib.networks import build

from .calibration_section import calibration_section, with_section
from .card import model_card
from .command import command_line
from .members import Exported, model_of_runs
from .moments_section import moments_section, read_moments
from .validation import evaluate, summarize
from .verification_section import Verdicts, verification_section


@dataclass(frozen=True)
class Details:
    """What a person has to say of a model: see ``Training/models`` for an example."""

    name: str
    version: str
    description: str
    modality: str
    channels: list[str]
    license: str
    data: str
    data_license: str
    limits: list[str]
    structures: list[Structure]

    @classmethod
    def read(cls, path: Path) -> Details:
        """Read a JSON file.

        Raises
        ------
        OptionError
            The file is missing or not JSON, or its keys are not those of this class.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OptionError(f"{path}: cannot be read as JSON ({error}); see Training/models") from error
        expected = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or set(values) != expected:
            raise OptionError(f"{path}: needs exactly the keys {', '.join(sorted(expected))}")
        try:
            structures = [Structure.from_dict(entry) for entry in values["structures"]]
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise OptionError(f"{path}: structure not complete ({error}); see Training/models") from error
        return cls(**{**values, "structures": structures})


def export(
    runs: Path | Sequence[Path],
    bundle: Path,
    details: Path,
    checkpoint: str = BEST,
    verdicts: Verdicts | None = None,
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
    details : Path
        JSON of `Details`.
    checkpoint : str
        `run.BEST` or `run.LAST`, of every run.
    verdicts : Verdicts, optional
        Verifications of these weights, for `metrics.json` and the card.
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
    configuration, told = FitConfiguration.load(runs[0]), Details.read(details)
    if os.path.lexists(bundle):  # save_bundle says so too, but only after the evaluation
        raise BundleError(f"{bundle}: exists already; remove it or choose another folder")
    if [structure.name for structure in told.structures] != list(configuration.structures):
        raise OptionError(
            f"{details}: structures differ from those of the run, {', '.join(configuration.structures)}"
        )
    checked = _moments(moments, runs, checkpoint)
    exported = model_of_runs(runs, checkpoint)
    _check_finished(runs[0], exported)
    fitted = exported.fitted or {}
    calibration, figures = fitted.get("calibration"), fitted.get("figures", {})
    _check_modality(calibration, told, details)
    verified = (verdicts or Verdicts()).read(runs, checkpoint)
    network = build(configuration.network, exported.family, configuration.propagation, **exported.options)
    network.eval().load_state_dict(exported.weights)
    data = PatientData(cache_at_hand(configuration), runs[0])
    rows = evaluate(network, data.read("val"), configuration)
    summary = summarize(rows)
    patients = {name: data.count(split) for name, split in (("train", "train"), ("validation", "val"))}
    card = model_card(told, configuration, runs, patients, summary, checkpoint)
    card = with_section(card, calibration_section(calibration, figures, exported.options))
    if checked:
        card = with_section(card, moments_section(checked, configuration.propagation))
    if verified:
        card = with_section(card, verification_section(verified))
    description = _description(told, configuration, exported, patients, _commands(runs))
    metrics = {"checkpoint": checkpoint, "validation": summary, "validation_patients": rows}
    if exported.fitted is not None:
        metrics["calibration"] = exported.fitted
    if checked:
        metrics["moments"] = checked
    if verified:
        metrics["verification"] = verified
    return save_bundle(bundle, description, network.state_dict(), card, calibration, metrics)


def _check_finished(run: Path, exported: Exported) -> None:
    """A calibration that was stopped has scales and nothing that tells how good they are."""
    if exported.fitted is not None and "calibration" not in exported.fitted:
        raise OptionError(f"{run}: its calibration was stopped half-way; repeat trustseg-train calibrate")


def _check_modality(calibration: dict[str, Any] | None, told: Details, path: Path) -> None:
    """The facts of CT are others than those of all else: with the wrong ones nothing could be compared."""
    found = (calibration or {}).get("input", {}).get("modality", told.modality)
    if not fits_modality(found, told.modality):
        raise OptionError(
            f"{path}: modality {told.modality}, but the run was calibrated as {found}; repeat "
            f"trustseg-train calibrate with --modality {told.modality}"
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
    )
