"""Temperature scaling that is judged on the patients it is fitted on, each half by way of the other.

The patients are split in two halves by a seed. The scales for one half are fitted on the other, so that no
patient has a part in the temperature that it is judged with, and all of them are judged.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch

from trustseg_training.dataset import Case, Inspector, known_values, remap
from trustseg_training.judging import EnsembleModel, Subject, varied
from trustseg_training.judging.calibration import LIMITS, fit_scales
from trustseg_training.judging.near_voxels import collect
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.imaging import orient, resample
from TrustSegLib.inference.device import choose_device
from TrustSegLib.inference.prediction import prepare_image

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


def cross_fitted(subject: Subject, cases: Sequence[Case], seed: int, device: str = "cpu") -> Subject:
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


def _scales(plain: Subject, cases: Sequence[Case], device: str) -> dict[str, float]:
    network, place = plain.model.network(), choose_device(device)
    samples = _samples(plain, cases)
    voxels = collect(network.to(place), samples, plain.model.description.patch_shape, place)
    if voxels is None:
        raise OptionError(f"{plain.name}: half of the patients have no structure; verify on more")
    found = fit_scales(network, voxels)
    return {key: getattr(found, key) for key in LIMITS if getattr(found, key) is not None}


def _with_scales(subject: Subject, name: str, scales: dict[str, Any]) -> Subject:
    """These scales instead of those that it has."""
    if isinstance(subject.model, EnsembleModel):
        kept = {key: value for key, value in subject.model.options.items() if key not in LIMITS}
        return replace(subject, name=name, model=replace(subject.model, options={**kept, **scales}))
    bare = subject.run.configuration
    kept = {key: value for key, value in bare.family_options.items() if key not in LIMITS}
    run = replace(subject.run, configuration=replace(bare, family_options=kept))
    return varied(replace(subject, run=run), name, options=scales)


def _samples(subject: Subject, cases: Sequence[Case]) -> Iterator[dict[str, torch.Tensor]]:
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
