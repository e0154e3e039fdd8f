"""`trustseg models add` and `remove`: a model is put among the user's own, or taken from them, as a whole."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path

from TrustSegLib.bundle import Bundle, bundled_models, verify_bundle
from TrustSegLib.bundle.added_models import FOLDER_VARIABLE, added_models, user_models_folder
from TrustSegLib.bundle.description import MODEL_FILE
from TrustSegLib.cases.outputs import private_folder
from TrustSegLib.commands.console import print_json
from TrustSegLib.errors import BundleError, OptionError, OutputError


def add(arguments: argparse.Namespace) -> int:
    """Verify a bundle folder or a `.trustseg` file and copy it among the user's models.

    Parameters
    ----------
    arguments : Namespace
        `model` is a path, `overwrite` whether it may replace an added model of its name, `json`.

    Raises
    ------
    BundleError
        It is no bundle, or a damaged one.
    OptionError
        A model of its name is there.
    OutputError
        It cannot be written; the user's models are as they were.
    """
    bundle = verify_bundle(arguments.model)
    name, folder = bundle.description.name, user_models_folder()
    _check_name(name, folder / name, arguments.overwrite)
    with _models_folder(folder) as private:
        _copy(bundle, private / name)
        _put_in_place(private / name, folder / name)
    added = {"name": name, "version": bundle.description.version, "sha256": bundle.sha256}
    if arguments.json:
        print_json({**added, "path": str(folder / name), "added": True})
    else:
        print("added {name} {version}, SHA-256 {sha256}".format(**added) + f": {folder / name}")
    return 0


def remove(arguments: argparse.Namespace) -> int:
    """Remove an added model; one that is damaged can be removed, too.

    Parameters
    ----------
    arguments : Namespace
        `model` is the name, `json`.

    Raises
    ------
    OptionError
        No model of that name was added.
    OutputError
        It cannot be removed; it is as it was.
    """
    name, models = arguments.model, added_models()
    if name not in models:
        raise _not_added(name, list(models))
    folder = models[name]
    with _models_folder(folder.parent) as private:
        _move(folder, private / name)  # At once, so that no half of it is ever found.
    if arguments.json:
        print_json({"name": name, "path": str(folder), "removed": True})
    else:
        print(f"removed {name}: {folder}")
    return 0


def _models_folder(folder: Path) -> AbstractContextManager[Path]:
    """A private folder among the user's models."""
    return private_folder(str(folder), "the folder of your models", f"set {FOLDER_VARIABLE} to another")


def _check_name(name: str, target: Path, overwrite: bool) -> None:
    # Some file systems do not tell upper from lower case.
    if name.casefold() in {folder.name.casefold() for folder in bundled_models()}:
        raise OptionError(f"{name}: is the name of a model that comes with TrustSeg; give yours another one")
    if not os.path.lexists(target):
        return
    if not (target / MODEL_FILE).is_file():
        raise OutputError(f"{target}: is there and is no model; move it away")
    if not overwrite:
        raise OptionError(f"{name}: a model of this name was added before ({target}); give --overwrite")


def _copy(bundle: Bundle, folder: Path) -> None:
    """Copy the files that the bundle lists, and verify the copy: the originals may change meanwhile."""
    try:
        folder.mkdir()
        for name in (MODEL_FILE, *bundle.description.files):
            shutil.copyfile(bundle.path / name, folder / name)
    except OSError as error:
        raise _not_done(folder.parent.parent, "written", error) from error
    if verify_bundle(folder).sha256 != bundle.sha256:
        raise BundleError(f"{bundle.source}: was changed while it was copied; add it again")


def _put_in_place(new: Path, target: Path) -> None:
    with ExitStack() as undo:
        if os.path.lexists(target):
            previous = Path(tempfile.mkdtemp(dir=new.parent)) / target.name
            _move(target, previous)
            undo.callback(os.replace, previous, target)
        _move(new, target)
        undo.pop_all()


def _move(source: Path, target: Path) -> None:
    try:
        os.replace(source, target)
    except OSError as error:
        raise _not_done(source, "moved", error) from error


def _not_done(path: Path, what: str, error: OSError) -> OutputError:
    reason = error.strerror or type(error).__name__
    return OutputError(f"{path}: cannot be {what} ({reason}); check its permissions and the free space")


def _not_added(name: str, models: list[str]) -> OptionError:
    if name in {folder.name for folder in bundled_models()}:
        return OptionError(f"{name}: comes with TrustSeg and cannot be removed; only added models can")
    return OptionError(f"{name}: no model of this name was added; added are: {', '.join(models) or 'none'}")
