"""`trustseg-train export`: write a trained network as a bundle, with the table that its card claims."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, fields
from pathlib import Path

from TrustSegLib.bundle import Bundle, ModelDescription, save_bundle
from TrustSegLib.bundle.description import ModelInput, Structure, TrainingRecord
from TrustSegLib.errors import BundleError, OptionError
from TrustSegLib.networks import build

from .card import model_card
from .command import command_line
from .configuration import FitConfiguration
from .data import PatientData
from .evaluation import evaluate, summarize
from .fit import load_weights


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


def export(run: Path, bundle: Path, details: Path) -> Bundle:
    """Evaluate the best checkpoint on the validation patients and write the bundle.

    Parameters
    ----------
    run : Path
        Folder that `fit` wrote.
    bundle : Path
        Folder to write; must not exist.
    details : Path
        JSON of `Details`.

    Returns
    -------
    Bundle
        The bundle as it can be loaded.

    Raises
    ------
    TrustSegError
        The run, the details or the bundle folder is not usable.
    """
    configuration, told = FitConfiguration.load(run), Details.read(details)
    if os.path.lexists(bundle):  # save_bundle says so too, but only after the evaluation
        raise BundleError(f"{bundle}: exists already; remove it or choose another folder")
    if [structure.name for structure in told.structures] != list(configuration.structures):
        raise OptionError(
            f"{details}: structures differ from those of the run, {', '.join(configuration.structures)}"
        )
    network = build(configuration.network, configuration.family, configuration.propagation).eval()
    network.load_state_dict(load_weights(run))
    data = PatientData(configuration)
    data.setup()
    rows = evaluate(network, data.samples["val"], configuration)
    summary = summarize(rows)
    patients = {"train": len(data.samples["train"]), "validation": len(data.samples["val"])}
    card = model_card(told, configuration, run, patients, summary)
    description = _description(told, configuration, patients)
    metrics = {"validation": summary, "validation_patients": rows}
    return save_bundle(bundle, description, network.state_dict(), card, metrics=metrics)


def _description(
    details: Details, configuration: FitConfiguration, patients: dict[str, int]
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
        family=configuration.family,
        propagation=configuration.propagation,
        network=configuration.network.to_dict(),
        training=TrainingRecord(
            details.data, details.data_license, patients, command_line(configuration), configuration.seed
        ),
        license=details.license,
    )
