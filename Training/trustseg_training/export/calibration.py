"""A bundle's calibration: its section in the model card, and a copy of the bundle with a new one."""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from trustseg_training.formatting import MISSING, change, decimal, markdown_table
from TrustSegLib.bundle import Bundle, find_bundle, load_bundle, save_bundle
from TrustSegLib.errors import BundleError

TITLE = "## Calibration"

#: What coverage means, and for which patients.
_MEANING = (
    "All figures are of patients that had no part in the fit: cross-validation over patients, every choice "
    "made again within each fold. In the pool every patient counts once and clean images are half of that, "
    "however many corrupted copies there are. An interval of 90 % holds the truth for 9 of 10 images of new "
    "patients that are drawn as these were, in the mean over clean and corrupted images: not under every "
    "condition by itself, and not for scans that are unlike all of these."
)


#: Of runs that were calibrated before curves were compared.
_BEFORE_CHOICES = {"curve": "isotonic", "reason": "the only kind of that version"}

#: Places of a review, see `calibration.region_review`.
_PLACES = {
    "in_regions": "the regions",
    "most_uncertain": "the most uncertain voxels",
    "in_rim": "the rim of the mask",
}

#: Scales that the network has already, fitted on its validation patients.
_SCALES = {
    "temperature": "logits divided by the temperature {:.3g}",
    "variance_scale": "their propagated variance multiplied by {:.3g}",
}


def calibration_section(
    content: Mapping[str, Any] | None,
    figures: Mapping[str, Any],
    options: Mapping[str, Any] | None = None,
    fit: Mapping[str, Any] | None = None,
) -> str:
    """Markdown of a calibration.

    Parameters
    ----------
    content : mapping or None
        Of `calibration.json`; None if the model has none.
    figures : mapping
        `calibration.Fitted.figures`.
    options : mapping, optional
        Of the network's family, its temperature, variance scale and class bias among them.
    fit : mapping, optional
        Of these, as `evaluation.calibrate` wrote it.
    """
    if content is None:
        return f"{TITLE}\n\nNone: there are no intervals and no expected Dice, and probabilities are raw."
    record = content["record"]
    parts = [
        f"{TITLE}\n",
        f"{record['cases']} images of {record['patients']} validation patients of {record['data']}; "
        f"{record['folds']} folds; conditions: {', '.join(record['conditions'])}. Fitted by "
        "`trustseg-train calibrate`.\n",
        _MEANING + "\n",
        *_statement(figures),
        *_scales(options or {}, fit or {}),
    ]
    unseen = figures.get("unseen", [])
    if unseen:
        parts.append("Measured in the same way, but seen by no fit (*): " + ", ".join(unseen) + ".\n")
    curve = content.get("error_probability")
    if curve is not None:
        parts += _curve(figures["error_probability"], unseen)
    if figures.get("volumes"):
        parts += _volumes(figures["volumes"])
    if figures.get("quality"):
        parts += _quality(figures["quality"])
    if figures.get("volumes") and figures.get("quality"):
        parts += _by_condition(figures["volumes"], figures["quality"], unseen)
    if figures.get("regions"):
        parts += _regions(figures["regions"])
    if "input" in content:
        parts += _input(content["input"])
    return "\n".join(parts).rstrip("\n")


def with_section(card: str, section: str) -> str:
    """A card with this section: in the place of its old one, before the license, or at the end."""
    text = section + "\n\n"
    title = re.escape(section.partition("\n")[0])
    old = re.search(rf"^{title}\n.*?(?=^## |\Z)", card, re.MULTILINE | re.DOTALL)
    if old:
        return (card[: old.start()] + text + card[old.end() :]).rstrip("\n") + "\n"
    place = re.search(r"^## License$", card, re.MULTILINE)
    if place:
        return card[: place.start()] + text + card[place.start() :]
    return card.rstrip("\n") + "\n\n" + section + "\n"


def _scales(options: Mapping[str, Any], fit: Mapping[str, Any]) -> list[str]:
    scales = [text.format(options[name]) for name, text in _SCALES.items() if options.get(name) is not None]
    if options.get("class_bias"):
        numbers = ", ".join(f"{value:+.3f}" for value in options["class_bias"])
        scales.append(f"logits of the structures moved by {numbers} before")
    if not scales:
        return []
    conditions = fit.get("conditions", ["clean"])
    return [
        "Before that, and not within the folds, the network was scaled on images of the validation patients "
        f"of its training ({', '.join(conditions)}): {', '.join(scales)}. This is in every column; `raw` has "
        "nothing else.\n",
        *_mask_sizes(fit.get("masks") or {}),
    ]


def _mask_sizes(figures: Mapping[str, Any]) -> list[str]:
    """What the class bias does to the masks of patients left out."""
    if not figures:
        return []
    rows = [
        [
            name,
            *(change(found[f"volume_bias_{when}"]) for when in ("before", "after")),
            *(decimal(found[f"dice_{when}"]) for when in ("before", "after")),
        ]
        for name, found in figures.items()
    ]
    heads = ["clean images of patients left out", "volume bias before the class bias", "after", "DSC before"]
    return [markdown_table([*heads, "after"], rows), ""]


def _statement(figures: Mapping[str, Any]) -> list[str]:
    """Runs of earlier versions do not have it; exporting them again does not check them."""
    return [figures["statement"] + " Limits: docs/method.md.\n"] if "statement" in figures else []


def _curve(figures: Mapping[str, Any], unseen: Collection[str]) -> list[str]:
    choice = figures.get("choice", _BEFORE_CHOICES)
    column = "used" if "choice" in figures else choice["curve"]
    rows = [
        [
            _marked(group, unseen),
            decimal(near["raw"]),
            decimal(near[column]),
            decimal(figures["image"][group][column], 4),
        ]
        for group, near in figures["near"].items()
    ]
    heads = ["ECE (15 bins) of the error probability", "raw", "with the curve", "whole image, with the curve"]
    note = "The first two within 3 voxels of truth or prediction."
    return [markdown_table(heads, rows), f"\n{note} Curve: {choice['curve']}; {choice['reason']}.\n"]


def _volumes(figures: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, found in figures.items():
        pool = found["pool"]
        widths = (pool["mean_width_ml"], pool["mean_width_without_uncertainty_ml"])
        covered = (found["clean"]["coverage"], pool["coverage"])
        rows.append([name, *(f"{share:.1%}" for share in covered), *(decimal(width, 2) for width in widths)])
    heads = ["90 % volume interval", "covers, clean", "covers, pool", "width, ml"]
    return [markdown_table([*heads, "width without uncertainty, ml"], rows), ""]


def _quality(figures: Mapping[str, Any]) -> list[str]:
    rows = []
    for name, found in figures.items():
        ranking = found["ranking"]["predicted"]
        errors = (
            found[group][f"mean_absolute_error{of}"]
            for of in ("", "_of_constant")
            for group in ("clean", "pool")
        )
        rows.append(
            [
                name,
                *map(decimal, errors),
                f"{found['pool']['coverage']:.1%}",
                *(decimal(ranking[key]) for key in ("failure_auroc", "spearman")),
            ]
        )
    heads = ["expected DSC", "error, clean", "error, pool", "of a constant, clean", "of a constant, pool"]
    heads += ["90 % interval covers", "failure AUROC", "Spearman"]
    return [markdown_table(heads, rows), ""]


def _by_condition(
    volumes: Mapping[str, Any], quality: Mapping[str, Any], unseen: Collection[str]
) -> list[str]:
    """What holds on average need not hold under each condition: a table for each structure."""
    lines = []
    for name in filter(quality.__contains__, volumes):
        heads = [name, "volume interval covers", "without uncertainty", "true DSC", "expected DSC", "covers"]
        rows = [
            [_marked(condition, unseen), *_condition_row(condition, volumes[name], quality[name])]
            for condition in volumes[name]
        ]
        lines += [markdown_table(heads, rows), ""]
    return lines


def _condition_row(condition: str, volumes: Mapping[str, Any], quality: Mapping[str, Any]) -> list[str]:
    volume, expected = volumes[condition], quality[condition]
    return [
        f"{volume['coverage']:.1%}",
        f"{volume['coverage_without_uncertainty']:.1%}",
        decimal(expected["true_dsc"]),
        decimal(expected["predicted_dsc"]),
        f"{expected['coverage']:.1%}",
    ]


def _regions(found: Mapping[str, Any]) -> list[str]:
    """Whether looking at the regions finds what matters, sooner than looking elsewhere."""
    rows = [
        [words, _percent(found[f"{place}_thick"]), _percent(found[f"{place}_wrong"])]
        for place, words in _PLACES.items()
    ]
    heads = ["clean images, looking at", "holds, of all errors thicker than a voxel", "wrong, of its voxels"]
    return [
        f"Regions, {found['regions']:.1f} an image with {found['voxels']:.0f} voxels, are found on the map "
        "that people see (with the curve of the other patients, if it is calibrated). The other places are "
        "as large.\n",
        markdown_table(heads, rows),
        "",
    ]


def _marked(condition: str, unseen: Collection[str]) -> str:
    return f"{condition} *" if condition in unseen else condition


def _percent(value: float | None) -> str:
    return MISSING if value is None else f"{value:.0%}"


def _input(reference: Mapping[str, Any]) -> list[str]:
    return [
        f"Input check: every image is compared with the {reference['cases']} images of training and "
        f"validation, by {len(reference['facts'])} facts, and what is unlike them is reported. Of patients "
        f"left out of the comparison, {reference['false_alarms']:.1%} were called unlike the others.",
        "",
    ]


def check_new(output: Path) -> None:
    """Refuse a folder that exists, before anything is measured.

    Raises
    ------
    BundleError
        It does.
    """
    if os.path.lexists(output):
        raise BundleError(f"{output}: exists already; remove it or choose another folder")


def recalibrated(
    source: Path, content: Mapping[str, Any], figures: Mapping[str, Any], output: Path
) -> Bundle:
    """Write a copy of a bundle with this calibration and its section in the card.

    Parameters
    ----------
    source : Path
        Bundle folder or archive, or the name of a bundled model; it stays as it is.
    content : mapping
        Of `calibration.json`.
    figures : mapping
        `calibration.Fitted.figures`, for the card.
    output : Path
        Folder to write; must not exist.

    Raises
    ------
    BundleError
        The bundle cannot be loaded, or the new one not be written.
    """
    bundle = load_bundle(find_bundle(source))
    card = with_section(
        bundle.card(),
        calibration_section(
            content,
            figures,
            bundle.description.family_options,
            (bundle.metrics() or {}).get("calibration"),
        ),
    )
    weights = bundle.network().state_dict()
    locator = bundle.description.locator
    atlas = None if locator is None else bundle.read(locator.atlas)
    metrics = _metrics(bundle, content, figures)
    return save_bundle(output, bundle.description, weights, card, content, metrics, atlas)


def _metrics(
    bundle: Bundle, content: Mapping[str, Any], figures: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Those of the bundle, with the new calibration in the place of the old one."""
    metrics = bundle.metrics()
    if metrics is None or "calibration" not in metrics:
        return metrics
    replaced = {**metrics["calibration"], "calibration": content, "figures": figures}
    return {**metrics, "calibration": replaced}
