"""The models under test: runs, bundles, ensembles and variants, some with a cross-fitted temperature.

For cross-fitting the patients are split in two halves by a seed. The scales for one half are fitted on the
other, so that no patient has a part in the temperature that it is evaluated with, and all are evaluated.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from trustseg_training.dataset import Case, Inspector, known_values, remap
from trustseg_training.evaluation import (
    EnsembleModel,
    EvaluatedModel,
    load_evaluated_ensemble,
    load_evaluated_model,
    variant_of,
)
from trustseg_training.evaluation.near_voxels import collect
from trustseg_training.evaluation.temperature_scaling import LIMITS, fit_scales
from trustseg_training.training import BEST
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import orient, resample
from TrustSegLib.inference.device import choose_device
from TrustSegLib.inference.prediction import prepare_image


@dataclass(frozen=True)
class ModelSelection:
    """Who is judged, by folders and names.

    Attributes
    ----------
    models : sequence of Path
        Run folders, bundles or names of bundled models.
    ensembles : mapping of str to sequence of Path
        Runs that are the members of one ensemble, by its name.
    variants : mapping of str to (Path, str)
        A run and the propagation it is passed through with, by the variant's name.
    tempered : sequence of str
        Names of subjects that are judged with a cross-fitted temperature too.
    checkpoint : str
        Of all runs, `run.BEST` or `run.LAST`; a bundle has one set of weights.
    """

    models: Sequence[Path]
    ensembles: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    variants: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    tempered: Sequence[str] = ()
    checkpoint: str = BEST

    @property
    def words(self) -> list[str]:
        """What a command says of them; places by their last name."""
        words = [path.name for path in self.models]
        for name, runs in self.ensembles.items():
            words += ["--ensemble", name, *(run.name for run in runs)]
        for name, (run, propagation) in self.variants.items():
            words += ["--variant", f"{name}={run.name}:{propagation}"]
        words += ["--temperature", *self.tempered] if self.tempered else []
        return words + ([] if self.checkpoint == BEST else ["--checkpoint", Path(self.checkpoint).stem])

    def load(self) -> list[EvaluatedModel]:
        """All but those with a temperature, which needs the data.

        Raises
        ------
        TrustSegError
            One of them cannot be used.
        """
        return [
            *(load_evaluated_model(path, self.checkpoint) for path in self.models),
            *(load_evaluated_ensemble(name, runs, self.checkpoint) for name, runs in self.ensembles.items()),
            *(
                variant_of(load_evaluated_model(run, self.checkpoint), name, propagation)
                for name, (run, propagation) in self.variants.items()
            ),
        ]


def with_temperatures(
    subjects: Sequence[EvaluatedModel],
    names: Sequence[str],
    cases: Mapping[str, Sequence[Case]],
    seed: int,
    device: str,
) -> list[EvaluatedModel]:
    """The subjects, and behind them those of these names with a cross-fitted temperature.

    Raises
    ------
    OptionError
        There is no subject of a name, or it can have no temperature.
    """
    known = {subject.name: subject for subject in subjects}
    for name in names:
        if name not in known:
            raise OptionError(f"temperature {name}: no such model; name one of {', '.join(known)}")
    return [*subjects, *(cross_fitted(known[name], cases[name], seed, device) for name in names)]


def parse_variant(text: str) -> tuple[str, tuple[Path, str]]:
    """Read ``NAME=RUN:PROPAGATION``.

    Raises
    ------
    OptionError
        It is not of that form, or the name leads out of a folder.
    """
    name, _, rest = text.partition("=")
    run, _, propagation = rest.rpartition(":")
    if not (name and run and propagation):
        raise OptionError(f"variant {text!r}: write it like vdp-correlated=runs/vdp:correlated")
    _check_name(name, "--variant")
    return name, (Path(run), propagation)


def parse_group(words: Sequence[str], option: str) -> tuple[str, list[str]]:
    """A name and what belongs to it, of an option's words.

    Raises
    ------
    OptionError
        Fewer than two things belong to it, or the name of an ensemble leads out of a folder.
    """
    if len(words) < 3:
        raise OptionError(f"{option} {' '.join(words)}: give a name and at least two of its members")
    if option == "--ensemble":
        _check_name(words[0], option)
    return words[0], list(words[1:])


def _check_name(name: str, option: str) -> None:
    """A folder of the output is named so."""
    if not name or name == "." or any(each in name for each in ("/", "\\", "..")):
        raise OptionError(f"{option} {name!r}: no name of a folder; choose one without / and \\ and ..")


ENDING = "+T"


def tempered(models: Sequence[str]) -> bool:
    """Whether all of these models, by name, have a temperature from the other half of the patients."""
    return all(model.endswith(ENDING) for model in models)


def halves(patients: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Split patients at random, the same for every model.

    Raises
    ------
    OptionError
        There is one patient only.
    """
    named = sorted(set(patients))
    if len(named) < 2:
        raise OptionError("temperature: cross-fitting needs at least two patients; verify on more")
    shuffled = np.random.default_rng(seed).permutation(named).tolist()
    return shuffled[: len(named) // 2], shuffled[len(named) // 2 :]


def cross_fitted(
    subject: EvaluatedModel, cases: Sequence[Case], seed: int, device: str = "cpu"
) -> EvaluatedModel:
    """The subject with a temperature, and a variance scale where it has one, of the other half's patients.

    Parameters
    ----------
    subject : Subject
        A run or an ensemble of runs; a calibration that it has already is left out.
    cases : sequence of Case
        What it is judged on.
    seed : int
        Of the halves.
    device : str
        Where the network runs.

    Returns
    -------
    Subject
        Named like the other, with ``+T``.

    Raises
    ------
    OptionError
        It is neither a run nor an ensemble of runs, or a half has no structure.
    """
    if subject.run is None:
        raise OptionError(f"{subject.name}: only runs and ensembles of runs can get a temperature; name one")
    name, plain = subject.name + ENDING, _with_scales(subject, subject.name, {})
    parts = halves([case.patient for case in cases], seed)
    models = {}
    for judged, fitted in (parts, parts[::-1]):
        found = _scales(plain, [case for case in cases if case.patient in fitted], device)
        models |= dict.fromkeys(judged, _with_scales(subject, name, found).model)
    return replace(subject, name=name, model=models[parts[0][0]], models=models)


def _scales(plain: EvaluatedModel, cases: Sequence[Case], device: str) -> dict[str, float]:
    network, place = plain.model.network(), choose_device(device)
    samples = _samples(plain, cases)
    voxels = collect(network.to(place), samples, plain.model.description.patch_shape, place)
    if voxels is None:
        raise OptionError(f"{plain.name}: half of the patients have no structure; verify on more")
    found = fit_scales(network, voxels)
    return {key: getattr(found, key) for key in LIMITS if getattr(found, key) is not None}


def _with_scales(subject: EvaluatedModel, name: str, scales: dict[str, Any]) -> EvaluatedModel:
    """These scales instead of those that it has."""
    if isinstance(subject.model, EnsembleModel):
        kept = {key: value for key, value in subject.model.options.items() if key not in LIMITS}
        return replace(subject, name=name, model=replace(subject.model, options={**kept, **scales}))
    bare = subject.run.configuration
    kept = {key: value for key, value in bare.family_options.items() if key not in LIMITS}
    run = replace(subject.run, configuration=replace(bare, family_options=kept))
    return variant_of(replace(subject, run=run), name, options=scales)


def _samples(subject: EvaluatedModel, cases: Sequence[Case]) -> Iterator[dict[str, torch.Tensor]]:
    """Images as the network knows them, (C, D, H, W), and labels (1, D, H, W)."""
    description = subject.model.description
    known = known_values(subject.label_map, len(subject.structures) + 1)
    for case in cases:
        checks = Inspector(description.channels, known)
        volumes = checks.read(case)
        if volumes is None:
            raise ImageError("; ".join(checks.problems))
        image, label = (
            prepare_image(volumes[0], description),
            orient(volumes[1], description.input.orientation),
        )
        if label.array.shape[1:] != image.array.shape[1:]:
            label = resample(label, image.spacing, "nearest")
        truth = remap(label.array, subject.label_map)
        yield {"image": torch.from_numpy(image.array), "label": torch.from_numpy(truth.astype(np.int64))}
