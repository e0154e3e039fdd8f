"""Load a model bundle; every file is verified by its SHA-256 before it is used."""

from __future__ import annotations

import hashlib
import json
import os
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any, NoReturn

import SimpleITK as sitk

from TrustSegLib.bundle.archive import SUFFIX, unpack
from TrustSegLib.bundle.calibration import check_calibration
from TrustSegLib.bundle.description import ModelDescription
from TrustSegLib.bundle.hashing import sha256_of
from TrustSegLib.bundle.weights import network_with_weights, parse_weights
from TrustSegLib.contract import CALIBRATION_FILE, CARD_FILE, METRICS_FILE, MODEL_FILE, WEIGHTS_FILE
from TrustSegLib.errors import BundleError
from TrustSegLib.imaging import Volume
from TrustSegLib.imaging.image_files import quiet_itk

if TYPE_CHECKING:
    from torch import nn


MAX_MODEL_BYTES = 2**20


@dataclass(frozen=True)
class Bundle:
    """A verified model bundle.

    Attributes
    ----------
    path : Path
        Folder of its files. That of an archive is temporary and removed with the `Bundle`.
    description : ModelDescription
        Content of `model.json`.
    sha256 : str
        SHA-256 of `model.json`, which lists that of every other file.
    source : Path
        The folder or archive that was loaded, named in errors.
    """

    path: Path
    description: ModelDescription
    sha256: str
    source: Path

    def network(self) -> nn.Module:
        """Return the network with its weights, on the CPU, in evaluation mode.

        Raises
        ------
        BundleError
            The network's specification is not valid, or the weights do not fit it.
        """
        where = str(self.source)
        weights = parse_weights(self.read(WEIGHTS_FILE), where)
        return network_with_weights(self.description, weights, where)

    def card(self) -> str:
        """Return the model card, as Markdown."""
        try:
            return self.read(CARD_FILE).decode("utf-8")
        except UnicodeDecodeError as error:
            raise BundleError(f"{self.source}: {CARD_FILE} is not UTF-8 text; get the model again") from error

    def calibration(self) -> dict[str, Any] | None:
        """Return the content of `calibration.json`, or None if the model is not calibrated.

        `TrustSegLib.uncertainty.Calibration.parse` reads it.
        """
        return self._json(CALIBRATION_FILE)

    def metrics(self) -> dict[str, Any] | None:
        """Return the content of `metrics.json`, or None if there is none."""
        return self._json(METRICS_FILE)

    def atlas(self) -> Volume | None:
        """Return the atlas of the locator, or None if the model has no locator.

        Raises
        ------
        BundleError
            It is not an image of one channel with any content.
        """
        if self.description.locator is None:
            return None
        name = self.description.locator.atlas
        self.read(name)  # Verified once more.
        try:
            # Without the checks of `read_volume`, which need nibabel: Slicer has none, and the hash is right.
            with quiet_itk():
                atlas = Volume.from_sitk(sitk.ReadImage(str(self.path / name)))
        except RuntimeError as error:
            raise BundleError(f"{self.source}: {name} is no image; get the model again") from error
        if atlas.channels != 1 or not atlas.array.max() > 0:
            raise BundleError(f"{self.source}: {name} is no atlas of one channel; get the model again")
        return atlas

    def read(self, name: str) -> bytes:
        """Return the content of a listed file, verified again as it may have changed since loading.

        Raises
        ------
        BundleError
            The file is not listed in `model.json`, cannot be read or does not have its SHA-256.
        """
        if name not in self.description.files:
            raise BundleError(f"{self.source}: has no file {name}; choose a model that has it")
        try:
            content = (self.path / name).read_bytes()
        except OSError as error:
            reason = f"cannot be read ({error.strerror})"
            raise BundleError(f"{self.source}: {name} {reason}; get the model again") from error
        if hashlib.sha256(content).hexdigest() != self.description.files[name]:
            raise _changed(self.source, name)
        return content

    def _json(self, name: str) -> dict[str, Any] | None:
        if name not in self.description.files:
            return None
        return _parse_json(self.read(name), f"{self.source}: {name}")


def load_bundle(path: str | Path) -> Bundle:
    """Load and verify a model bundle.

    Parameters
    ----------
    path : path
        A bundle folder or a `.trustseg` archive of one.

    Returns
    -------
    Bundle
        Its listed files, and no others, are there and have their SHA-256; `model.json` and any
        `calibration.json` fit their schemas and each other.

    Raises
    ------
    BundleError
        Any of this does not hold.
    """
    source = Path(path).absolute()
    # os.path returns False where a folder may not be searched; Path would raise.
    if os.path.isdir(source):
        return _load_folder(source, source)
    if not os.path.isfile(source) or source.suffix != SUFFIX:
        raise BundleError(f"{source}: is neither a bundle folder nor a {SUFFIX} file; choose one of these")
    with ExitStack() as cleanup:
        folder = Path(cleanup.enter_context(TemporaryDirectory(prefix="trustseg-bundle-")))
        unpack(source, folder)
        bundle = _load_folder(folder, source)
        weakref.finalize(bundle, cleanup.pop_all().close)
        return bundle


def verify_bundle(path: str | Path) -> Bundle:
    """Load a bundle with its network, card, metrics and atlas, so that every file in it is checked.

    Parameters
    ----------
    path : path
        A bundle folder or a `.trustseg` archive of one.

    Raises
    ------
    BundleError
        The bundle cannot be loaded, or its metrics, card, atlas or weights cannot be used.
    """
    bundle = load_bundle(path)
    bundle.card()
    bundle.metrics()
    bundle.atlas()
    bundle.network()
    return bundle


def _load_folder(folder: Path, source: Path) -> Bundle:
    try:
        content = _read_model_file(folder, source)
        where = f"{source}: {MODEL_FILE}"
        description = ModelDescription.from_dict(_parse_json(content, where), where)
        _check_names(folder, description, source)
        _check_hashes(folder, description, source)
    except OSError as error:
        raise BundleError(f"{source}: cannot be read ({error.strerror}); check its permissions") from error
    bundle = Bundle(folder, description, hashlib.sha256(content).hexdigest(), source)
    calibration = bundle.calibration()
    if CALIBRATION_FILE in description.files:
        check_calibration(calibration, description, f"{source}: {CALIBRATION_FILE}")
    return bundle


def _read_model_file(folder: Path, source: Path) -> bytes:
    if not (folder / MODEL_FILE).is_file():
        raise BundleError(f"{source}: holds no {MODEL_FILE}; choose a model bundle")
    with (folder / MODEL_FILE).open("rb") as file:
        content = file.read(MAX_MODEL_BYTES + 1)
    if len(content) > MAX_MODEL_BYTES:
        raise BundleError(f"{source}: {MODEL_FILE} has over {MAX_MODEL_BYTES} bytes; get the model again")
    return content


def _check_names(folder: Path, description: ModelDescription, source: Path) -> None:
    """Compare the folder with the list; links and subfolders are errors."""
    expected = description.files.keys() | {MODEL_FILE}
    present = {entry.name for entry in folder.iterdir()}
    for name in sorted(present - expected):
        raise BundleError(f"{source}: {name!r} is not listed in {MODEL_FILE}; remove it")
    for name in sorted(expected - present):
        raise BundleError(f"{source}: {name} is missing; get the model again")
    for name in sorted(expected):
        if (folder / name).is_symlink() or not (folder / name).is_file():
            raise BundleError(f"{source}: {name} is not a plain file; get the model again")


def _check_hashes(folder: Path, description: ModelDescription, source: Path) -> None:
    for name, sha256 in sorted(description.files.items()):
        if sha256_of(folder / name) != sha256:
            raise _changed(source, name)


def _parse_json(content: bytes, where: str) -> Any:
    try:
        return json.loads(content.decode("utf-8"), parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as error:
        raise BundleError(f"{where}: is not valid JSON ({error}); get the model again") from error


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not a JSON number")


def _changed(source: Path, name: str) -> BundleError:
    return BundleError(
        f"{source}: {name} was changed or damaged (its SHA-256 is not that of {MODEL_FILE}); get it again"
    )
