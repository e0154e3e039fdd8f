"""Write a model bundle, completely or not at all."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from secrets import token_hex
from typing import TYPE_CHECKING, Any

from TrustSegLib.bundle.calibration import check_calibration
from TrustSegLib.bundle.description import ModelDescription
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.bundle.loading import Bundle, load_bundle
from TrustSegLib.bundle.weights import network_with_weights, write_weights
from TrustSegLib.contract import CALIBRATION_FILE, CARD_FILE, METRICS_FILE, MODEL_FILE, WEIGHTS_FILE
from TrustSegLib.errors import BundleError

if TYPE_CHECKING:
    from torch import Tensor


def save_bundle(
    folder: str | Path,
    description: ModelDescription,
    weights: Mapping[str, Tensor],
    card: str,
    calibration: Mapping[str, Any] | None = None,
    metrics: Mapping[str, Any] | None = None,
    atlas: bytes | None = None,
) -> Bundle:
    """Write a new bundle folder that is known to load.

    The files are written to a hidden folder next to `folder`, loaded from there and moved in one step.

    Parameters
    ----------
    folder : path
        Must not exist; remove a bundle before you replace it.
    description : ModelDescription
        Its `files` are filled in.
    weights : Mapping of str to Tensor
        State dict of the network that it specifies.
    card : str
        Model card, as Markdown.
    calibration, metrics : Mapping or None
        Content of `calibration.json` and `metrics.json`, as JSON values; None for no such file.
    atlas : bytes or None
        Content of the file that `description.locator` names; None without a locator.

    Returns
    -------
    Bundle
        As `load_bundle(folder)` returns it.

    Raises
    ------
    BundleError
        `folder` exists or cannot be written, the description or the calibration is not valid, or the weights
        do not fit the description.
    """
    target = Path(folder).absolute()
    if os.path.lexists(target):
        raise BundleError(f"{target}: exists already; remove it or choose another folder")
    network_with_weights(description, weights, str(target))
    if calibration is not None:
        # As it will be read: JSON has lists, not tuples.
        written = json.loads(json.dumps(calibration))
        check_calibration(written, description, f"{target}: {CALIBRATION_FILE}")
    temporary = target.with_name(f".{target.name}.{token_hex(8)}.partial")
    try:
        # Not mkdtemp, whose folders are readable by their owner only.
        temporary.mkdir(parents=True)
        write_weights(weights, temporary / WEIGHTS_FILE)
        (temporary / CARD_FILE).write_bytes(card.encode("utf-8"))
        for name, table in ((CALIBRATION_FILE, calibration), (METRICS_FILE, metrics)):
            if table is not None:
                _write_json(table, temporary / name, target)
        if atlas is not None and description.locator is not None:
            (temporary / description.locator.atlas).write_bytes(atlas)
        _write_model_file(temporary, description, target)
        bundle = load_bundle(temporary)
        os.replace(temporary, target)
    except OSError as error:
        reason = error.strerror
        raise BundleError(f"{target}: cannot be written ({reason}); check folder and free space") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return dataclasses.replace(bundle, path=target, source=target)


def _write_model_file(folder: Path, description: ModelDescription, target: Path) -> None:
    files = {path.name: sha256_of(path) for path in sorted(folder.iterdir())}
    content = dataclasses.replace(description, files=files).to_dict()
    ModelDescription.from_dict(content, f"{target}: {MODEL_FILE}")
    _write_json(content, folder / MODEL_FILE, target)


def _write_json(content: Mapping[str, Any], path: Path, target: Path) -> None:
    try:
        text = json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False)
    except ValueError as error:
        raise BundleError(f"{target}: {path.name} would hold NaN or infinity; leave the value out") from error
    # Bytes, so that line endings, and thus the hash, are the same on every system.
    path.write_bytes((text + "\n").encode("utf-8"))
