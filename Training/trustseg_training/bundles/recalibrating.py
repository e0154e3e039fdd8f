"""A bundle with another calibration: the same weights under a new name."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from TrustSegLib.bundle import Bundle, find_bundle, load_bundle, save_bundle
from TrustSegLib.errors import BundleError

from .calibration_section import calibration_section, with_section


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
        `calibrating.Fitted.figures`, for the card.
    output : Path
        Folder to write; must not exist.

    Raises
    ------
    BundleError
        The bundle cannot be loaded, or the new one not be written.
    """
    bundle = load_bundle(find_bundle(source))
    card = with_section(
        bundle.card(), calibration_section(content, figures, bundle.description.family_options)
    )
    weights = bundle.network().state_dict()
    return save_bundle(output, bundle.description, weights, card, content, _metrics(bundle, content, figures))


def _metrics(
    bundle: Bundle, content: Mapping[str, Any], figures: Mapping[str, Any]
) -> Mapping[str, Any] | None:
    """Those of the bundle, without what was said of its old calibration."""
    metrics = bundle.metrics()
    if metrics is None or "calibration" not in metrics:
        return metrics
    told = {**metrics["calibration"], "calibration": content, "figures": figures}
    return {**metrics, "calibration": told}
