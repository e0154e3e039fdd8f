"""Results of robustness tests and moment checks of the exported weights, for `metrics.json` and the card."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustseg_training.evaluation import load_evaluated_ensemble, load_evaluated_model
from trustseg_training.formatting import markdown_table, ratio_band
from trustseg_training.robustness.model_record import robustness_markdown, robustness_record
from TrustSegLib.contract import MOMENTS_FILE, MOMENTS_SCHEMA
from TrustSegLib.errors import OptionError

ROBUSTNESS_TITLE = "## Verification"


@dataclass(frozen=True)
class RobustnessResults:
    """Robustness tests that a bundle reports.

    Attributes
    ----------
    folders : tuple of Path
        Written by `trustseg-train verify`, one for each suite.
    name : str or None
        Of the model in them; None for the name of the run's folder.
    """

    folders: tuple[Path, ...] = ()
    name: str | None = None

    def read(self, runs: Sequence[Path], checkpoint: str) -> list[dict[str, Any]]:
        """Read the results of each, making sure that they are of these weights.

        Raises
        ------
        OptionError
            A folder holds no verification of this model, or one of other weights; or an ensemble has no name.
        """
        if not self.folders:
            return []
        several = len(runs) > 1
        if several and self.name is None:
            raise OptionError("export: an ensemble has no name of its own; give --verdict-name")
        name = self.name or runs[0].absolute().name
        evaluated = (
            load_evaluated_ensemble(name, runs, checkpoint)
            if several
            else load_evaluated_model(runs[0], checkpoint)
        )
        return [robustness_record(folder, name, evaluated.model.sha256) for folder in self.folders]


def robustness_section(records: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of all results under one heading."""
    texts = [robustness_markdown(record).removeprefix(ROBUSTNESS_TITLE).strip("\n") for record in records]
    return "\n\n".join([ROBUSTNESS_TITLE, *texts])


MOMENTS_TITLE = "## Moments"
_COLUMNS = (
    *("propagation", "Spearman", "carried / drawn, median", "scale", "after it, median [10-90 %]"),
    *("error of the mean, sd", "argmax agrees"),
)

_MEANING = (
    "The variance that is carried through the network, against that of the logits over weights drawn again "
    "for every pass. The scale is what the carried variance has to be multiplied by to be the drawn one; it "
    "is fitted on half of the images, and the ratio after it is measured on the others. It is not the "
    "`variance_scale` among the model's options, if there is one: that makes the probabilities likely on "
    "validation patients, who differ by more than the weights do."
)


def read_moments(folder: Path, run: Path, checkpoint: str) -> dict[str, Any]:
    """Results of `trustseg-train moments` on a run's weights, small enough for a bundle.

    Parameters
    ----------
    folder : Path
        Written by the command.
    run : Path
        The exported run.
    checkpoint : str
        `training.BEST` or `training.LAST`.

    Returns
    -------
    dict
        ``samples``, ``images``, ``crop``, ``conditions`` and ``modes``: for each mode of propagation
        ``spearman``, ``ratio`` (before the scale), ``variance_scale``, ``scaled_ratio`` (None where the scale
        was fitted on the only image), ``mean_error`` (standard deviations) and ``argmax_agreement``.

    Raises
    ------
    OptionError
        The folder holds no such check, or one of other weights.
    """
    path = folder / MOMENTS_FILE
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise OptionError(f"{path}: no check of the moments ({error}); run trustseg-train moments") from error
    if not isinstance(found, dict) or found.get("schema") != MOMENTS_SCHEMA:
        raise OptionError(f"{path}: not of the schema {MOMENTS_SCHEMA}; run trustseg-train moments again")
    if found["sha256"] != load_evaluated_model(run, checkpoint).model.sha256:
        raise OptionError(
            f"{path}: was measured on a bundle, or on other weights than those of {run}, {checkpoint}; "
            f"measure the run itself: trustseg-train moments {run} --checkpoint {Path(checkpoint).stem}"
        )
    return {
        "samples": found["samples"],
        "images": len(found["cases"]),
        "crop": found["crop"],
        "conditions": list(dict.fromkeys(found["conditions"])),
        "modes": {name: _mode(mode) for name, mode in found["modes"].items()},
    }


def moments_section(found: Mapping[str, Any], propagation: str) -> str:
    """Markdown of `read_moments`; the row of the model's own propagation mode is in bold."""
    conditions = ", ".join(found["conditions"])
    rows = [
        [f"**{name}**" if name == propagation else name, *_cells(mode)]
        for name, mode in found["modes"].items()
    ]
    return "\n".join(
        [
            f"{MOMENTS_TITLE}\n",
            f"{found['samples']:,} sets of weights on crops of {found['images']} images ({conditions}). "
            f"{_MEANING}\n",
            markdown_table(_COLUMNS, rows),
        ]
    )


def _mode(found: Mapping[str, Any]) -> dict[str, Any]:
    logits = found["logits"]
    return {
        "spearman": logits["spearman"],
        "ratio": logits["ratio"],
        "variance_scale": found["variance_scale"],
        "scaled_ratio": found["after_scale"]["logits"],
        "mean_error": logits["mean_error"],
        "argmax_agreement": found["argmax_agreement"],
    }


def _cells(mode: Mapping[str, Any]) -> list[str]:
    return [
        f"{mode['spearman']:.3f}",
        f"{mode['ratio']['median']:.2f}",
        f"{mode['variance_scale']:.2f}",
        ratio_band(mode["scaled_ratio"]),
        f"{mode['mean_error']:.3f}",
        f"{mode['argmax_agreement']:.4f}",
    ]
