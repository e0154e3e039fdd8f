"""A model to evaluate: a run, a bundle, or a variant of a run.

A variant has the same weights, propagated through the network in another way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from trustseg_training.config import FitConfiguration, is_run
from trustseg_training.corruptions import CLEAN
from trustseg_training.training import BEST, load_weights, network_of
from TrustSegLib.bundle import ModelDescription, find_bundle, load_bundle
from TrustSegLib.bundle.description import Code, ModelInput, Structure, Terminology, TrainingRecord
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.errors import OptionError
from TrustSegLib.inference.prediction import Model
from TrustSegLib.networks import FAMILIES

from .temperature_scaling import NAMES as SCALES
from .temperature_scaling import calibrated, read_fit

_ANYTHING = Terminology(*2 * (Code("SCT", "123037004", "Anatomical Structure"),))


@dataclass(frozen=True)
class RunModel:
    """A checkpoint of a run, with its calibration if it has one, without a bundle on disk."""

    run: Path
    configuration: FitConfiguration
    sha256: str
    checkpoint: str = BEST

    @property
    def description(self) -> ModelDescription:
        """Description as in a bundle, as far as the network and its input go."""
        c = self.configuration
        named = enumerate(c.structures, start=1)
        structures = (Structure(label, name, (255, 255, 255), _ANYTHING) for label, name in named)
        return ModelDescription(
            name=self.run.name,
            version="0.0.0",
            description="",
            modality="OT",
            channels=c.channels,
            structures=tuple(structures),
            input=ModelInput(c.spacing, c.orientation, c.normalization, c.patch),
            family=c.family,
            propagation=c.propagation,
            network=c.network.to_dict(),
            training=TrainingRecord("", "", {}, "", c.seed),
            license="",
            family_options=c.family_options,
        )

    def network(self) -> nn.Module:
        """The network with its weights, on the CPU, in evaluation mode."""
        with torch.random.fork_rng(devices=[]):
            network = network_of(self.configuration).eval()
        network.load_state_dict(load_weights(self.run, self.checkpoint))
        return network

    def calibration(self) -> Mapping[str, Any] | None:
        """None: `segment` returns uncalibrated results. Temperature and variance scale are in the network."""
        return None


@dataclass(frozen=True)
class EvaluatedModel:
    """A model with what its evaluation needs to know.

    Attributes
    ----------
    name : str
        That of its folder.
    model : Model
        What `segment` takes.
    structures : tuple of str
        Names of labels 1, 2, ...
    regions : mapping of str to sequence of int
        Unions of labels that are evaluated as well.
    label_map : mapping of int to int
        From the values in label files to the model's labels.
    run : RunModel or None
        None for a bundle.
    models : mapping of str to Model
        By patient, where each was calibrated on other patients; see `of_patient`.
    scale_conditions : tuple of str
        Conditions of the images that its scales were fitted on; empty if it has none.
    """

    name: str
    model: Model
    structures: tuple[str, ...]
    regions: Mapping[str, Sequence[int]] = field(default_factory=dict)
    label_map: Mapping[int, int] = field(default_factory=dict)
    run: RunModel | None = None
    models: Mapping[str, Model] = field(default_factory=dict)
    scale_conditions: tuple[str, ...] = ()

    @property
    def unions(self) -> dict[str, Sequence[int]]:
        """Labels of every structure and region, by name."""
        return {**{name: (label,) for name, label in self.labels.items()}, **self.regions}

    @property
    def labels(self) -> dict[str, int]:
        """Label of every structure, by name."""
        return {name: label for label, name in enumerate(self.structures, start=1)}

    def of_patient(self, patient: str) -> EvaluatedModel:
        """With the model that was not calibrated on this patient."""
        return replace(self, model=self.models.get(patient, self.model), models={})


def load_evaluated_model(path: Path, checkpoint: str = BEST) -> EvaluatedModel:
    """Load a run folder, or a bundle: a folder, an archive, or the name of a bundled model.

    Parameters
    ----------
    path : Path
        Folder, archive or name.
    checkpoint : str
        Of a run: `BEST` or `LAST`.

    Raises
    ------
    OptionError
        The last checkpoint of a bundle was asked for: a bundle has only one set of weights.
    TrustSegError
        It is neither a run nor a bundle, or it is damaged.
    """
    if not is_run(path):
        path = find_bundle(path).absolute()
        if checkpoint != BEST:
            raise OptionError(f"{path}: a bundle has no {checkpoint}; evaluate it without --checkpoint")
        bundle = load_bundle(path)
        names = tuple(structure.name for structure in bundle.description.structures)
        fitted = (bundle.metrics() or {}).get("calibration")
        name = path.stem if path.is_file() else path.name
        return EvaluatedModel(name, bundle, names, scale_conditions=_conditions(fitted))
    path = path.absolute()
    load_weights(path, checkpoint)  # reports a damaged checkpoint before anything else is read
    fitted = read_fit(path, checkpoint)
    plain = _of_run(path, checkpoint, calibrated(FitConfiguration.load(path), path, checkpoint))
    return replace(plain, scale_conditions=_conditions(fitted))


def load_plain_run(path: Path, checkpoint: str = BEST, data: Path | None = None) -> EvaluatedModel:
    """Load a run without the scales that it may have been given, in its settings or by `calibrate`.

    Parameters
    ----------
    path : Path
        Folder of the run.
    checkpoint : str
        `BEST` or `LAST`.
    data : Path, optional
        Its data set, if that has moved since the training.

    Raises
    ------
    OptionError
        It is no run, or its checkpoint is damaged.
    """
    path = path.absolute()
    configuration = FitConfiguration.load(path)
    load_weights(path, checkpoint)
    kept = {key: value for key, value in configuration.family_options.items() if key not in SCALES}
    place = configuration.data if data is None else str(data)
    return _of_run(path, checkpoint, replace(configuration, family_options=kept, data=place))


def _of_run(path: Path, checkpoint: str, configuration: FitConfiguration) -> EvaluatedModel:
    run = RunModel(path, configuration, sha256_of(path / checkpoint), checkpoint)
    return EvaluatedModel(
        path.name, run, configuration.structures, configuration.regions, configuration.label_map, run
    )


def _conditions(fitted: Mapping[str, Any] | None) -> tuple[str, ...]:
    """Under which a calibration's scales were fitted: on clean images, before this was recorded."""
    return () if fitted is None else tuple(fitted.get("conditions", (CLEAN,)))


def variant_of(
    evaluated: EvaluatedModel,
    name: str,
    propagation: str | None = None,
    options: Mapping[str, Any] | None = None,
) -> EvaluatedModel:
    """The same weights with another propagation or other options of the family.

    Parameters
    ----------
    evaluated : EvaluatedModel
        Of a run.
    name : str
        Of the variant.
    propagation : str, optional
        For the family ``vdp``: ``taylor``, ``exact`` or ``correlated``.
    options : mapping, optional
        Of the family, such as ``passes``; the others stay.

    Raises
    ------
    OptionError
        The model is no run, or its family has no such variant.
    """
    if evaluated.run is None:
        raise OptionError(f"{evaluated.name}: only a run has variants; name one")
    configuration = evaluated.run.configuration
    fixed = not FAMILIES[configuration.family].propagations
    if fixed and propagation not in (None, configuration.propagation):
        raise OptionError(f"{name}: family {configuration.family} has one propagation only; leave it out")
    changed = replace(
        configuration,
        propagation=propagation or configuration.propagation,
        family_options={**configuration.family_options, **(options or {})},
    )
    run = replace(evaluated.run, configuration=changed)
    run.network()  # reports a wrong option before anything is evaluated
    return replace(evaluated, name=name, model=run, run=run)


def inference_settings(evaluated: EvaluatedModel) -> dict[str, Any]:
    """How the weights are used, which is not part of their hash."""
    known = evaluated.model.description
    return {
        "family": known.family,
        "propagation": known.propagation,
        "options": dict(known.family_options),
    }


def check_distinct_names(names: Sequence[str]) -> None:
    """Check that no two models have the same name.

    Raises
    ------
    OptionError
        Naming the first repeated name.
    """
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise OptionError(f"two models are named {repeated[0]}; rename one run or bundle")
