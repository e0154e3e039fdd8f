"""The models under test: runs, bundles, ensembles and variants, some with cross-fitted scales (`+T`).

For cross-fitting the patients are split in two halves by a seed. The scales for one half are fitted on the
other, so that no patient contributes to the scales that it is evaluated with, and all are evaluated.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from trustseg_training.corruptions import CLEAN
from trustseg_training.dataset import Case
from trustseg_training.evaluation import (
    EnsembleModel,
    EvaluatedModel,
    load_evaluated_ensemble,
    load_evaluated_model,
    variant_of,
)
from trustseg_training.evaluation.scale_fitting import fit_all_scales, near_voxels_of
from trustseg_training.evaluation.scale_images import CORRUPTIONS
from trustseg_training.evaluation.temperature_scaling import NAMES
from trustseg_training.training import BEST
from TrustSegLib.errors import OptionError

#: Ending of the name of a model with a cross-fitted temperature.
ENDING = "+T"


@dataclass(frozen=True)
class ModelSelection:
    """The models to evaluate, by folders and names.

    Attributes
    ----------
    models : sequence of Path
        Run folders, bundles or names of bundled models.
    ensembles : mapping of str to sequence of Path
        Member runs of each ensemble, by its name.
    variants : mapping of str to (Path, str)
        A run and its propagation, by the variant's name.
    temperature_scaled : sequence of str
        Names of models that are also evaluated with a cross-fitted temperature.
    checkpoint : str
        Of all runs: `BEST` or `LAST`; a bundle has only one set of weights.
    """

    models: Sequence[Path]
    ensembles: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    variants: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    temperature_scaled: Sequence[str] = ()
    checkpoint: str = BEST

    @property
    def words(self) -> list[str]:
        """Arguments of the command that selects them; paths by their last component."""
        words = [path.name for path in self.models]
        for name, runs in self.ensembles.items():
            words += ["--ensemble", name, *(run.name for run in runs)]
        for name, (run, propagation) in self.variants.items():
            words += ["--variant", f"{name}={run.name}:{propagation}"]
        words += ["--temperature", *self.temperature_scaled] if self.temperature_scaled else []
        return words + ([] if self.checkpoint == BEST else ["--checkpoint", Path(self.checkpoint).stem])

    def load(self) -> list[EvaluatedModel]:
        """Load all models except those with a temperature, which needs the data.

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
    models: Sequence[EvaluatedModel],
    names: Sequence[str],
    cases: Mapping[str, Sequence[Case]],
    seed: int,
    device: str,
) -> list[EvaluatedModel]:
    """The models, followed by those of these names with a cross-fitted temperature.

    Raises
    ------
    OptionError
        There is no model of a name, or it cannot have a temperature.
    """
    known = {evaluated.name: evaluated for evaluated in models}
    for name in names:
        if name not in known:
            raise OptionError(f"temperature {name}: no such model; name one of {', '.join(known)}")
    return [*models, *(cross_fitted(known[name], cases[name], seed, device) for name in names)]


def parse_variant(text: str) -> tuple[str, tuple[Path, str]]:
    """Read ``NAME=RUN:PROPAGATION``.

    Raises
    ------
    OptionError
        The form is wrong, or the name is no plain folder name.
    """
    name, _, rest = text.partition("=")
    run, _, propagation = rest.rpartition(":")
    if not (name and run and propagation):
        raise OptionError(f"variant {text!r}: write it like vdp-correlated=runs/vdp:correlated")
    _check_name(name, "--variant")
    return name, (Path(run), propagation)


def parse_group(words: Sequence[str], option: str) -> tuple[str, list[str]]:
    """Split an option's words into a name and its members.

    Raises
    ------
    OptionError
        There are fewer than two members, or the name of an ensemble is no plain folder name.
    """
    if len(words) < 3:
        raise OptionError(f"{option} {' '.join(words)}: give a name and at least two of its members")
    if option == "--ensemble":
        _check_name(words[0], option)
    return words[0], list(words[1:])


def _check_name(name: str, option: str) -> None:
    """The name becomes a folder of the output."""
    if not name or name == "." or any(each in name for each in ("/", "\\", "..")):
        raise OptionError(f"{option} {name!r}: no name of a folder; choose one without / and \\ and ..")


def temperature_scaled(names: Sequence[str]) -> bool:
    """Whether all models of these names have a temperature from the other half of the patients."""
    return all(name.endswith(ENDING) for name in names)


def halves(patients: Sequence[str], seed: int) -> tuple[list[str], list[str]]:
    """Split patients at random, the same for every model.

    Raises
    ------
    OptionError
        There is only one patient.
    """
    named = sorted(set(patients))
    if len(named) < 2:
        raise OptionError("temperature: cross-fitting needs at least two patients; verify on more")
    shuffled = np.random.default_rng(seed).permutation(named).tolist()
    return shuffled[: len(named) // 2], shuffled[len(named) // 2 :]


def cross_fitted(
    evaluated: EvaluatedModel, cases: Sequence[Case], seed: int, device: str = "cpu"
) -> EvaluatedModel:
    """A model with class bias, temperature and variance scale from the other half of the patients.

    Parameters
    ----------
    evaluated : EvaluatedModel
        A run or an ensemble of runs; its own calibration is left out.
    cases : sequence of Case
        That it is evaluated on.
    seed : int
        Of the halves.
    device : str
        Where the network runs.

    Returns
    -------
    EvaluatedModel
        With the same name and ``+T``.

    Raises
    ------
    OptionError
        It is neither a run nor an ensemble of runs, or a half has no structure.
    """
    if evaluated.run is None:
        raise OptionError(
            f"{evaluated.name}: only runs and ensembles of runs can get a temperature; name one"
        )
    name, plain = evaluated.name + ENDING, _with_scales(evaluated, evaluated.name, {})
    parts = halves([case.patient for case in cases], seed)
    models = {}
    for tested, fitted in (parts, parts[::-1]):
        found = _scales(plain, [case for case in cases if case.patient in fitted], device)
        models |= dict.fromkeys(tested, _with_scales(evaluated, name, found).model)
    conditions = (CLEAN, *(corruption.key for corruption in CORRUPTIONS))
    return replace(
        evaluated, name=name, model=models[parts[0][0]], models=models, scale_conditions=conditions
    )


def _scales(plain: EvaluatedModel, cases: Sequence[Case], device: str) -> dict[str, Any]:
    network, voxels = near_voxels_of(plain, cases, CORRUPTIONS, device)
    if voxels is None:
        raise OptionError(f"{plain.name}: half of the patients have no structure; verify on more")
    return fit_all_scales(network, voxels).options


def _with_scales(evaluated: EvaluatedModel, name: str, scales: dict[str, Any]) -> EvaluatedModel:
    """The model with these scales instead of its own."""
    if isinstance(evaluated.model, EnsembleModel):
        kept = {key: value for key, value in evaluated.model.options.items() if key not in NAMES}
        return replace(evaluated, name=name, model=replace(evaluated.model, options={**kept, **scales}))
    bare = evaluated.run.configuration
    kept = {key: value for key, value in bare.family_options.items() if key not in NAMES}
    run = replace(evaluated.run, configuration=replace(bare, family_options=kept))
    return variant_of(replace(evaluated, run=run), name, options=scales)
