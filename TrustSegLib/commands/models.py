"""`trustseg models`: list, show, verify, add and remove models."""

from __future__ import annotations

import argparse
import os
import shutil
import tempfile
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

from TrustSegLib.bundle import Bundle, bundled_models, find_bundle, load_bundle, verify_bundle
from TrustSegLib.bundle.registry import added_models, user_models_folder
from TrustSegLib.cases.outputs import private_folder
from TrustSegLib.commands.console import EXIT_FIXABLE, print_json
from TrustSegLib.contract import MODEL_FILE, MODELS_VARIABLE
from TrustSegLib.errors import BundleError, OptionError, OutputError, output_error


def list_models(arguments: argparse.Namespace) -> int:
    """List the bundled and the added models; a damaged one is marked, and the exit code is 2."""
    entries = [{**_entry(folder), "added": False} for folder in bundled_models()]
    entries += [{**_entry(folder), "added": True} for folder in added_models().values()]
    if arguments.json:
        print_json(entries)
    elif not entries:
        print("no model comes with this installation; give a path to --model")
    else:
        for entry in entries:
            print(_line(entry))
    return EXIT_FIXABLE if any("error" in entry for entry in entries) else 0


def show(arguments: argparse.Namespace) -> int:
    """Show the description of a verified model."""
    bundle = load_bundle(find_bundle(arguments.model))
    if arguments.json:
        print_json({**_summary(bundle), **bundle.description.to_dict()})
    else:
        for name, value in _facts(bundle):
            print(f"{name + ':':<14} {value}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check all bytes of a model, and that its network can be built."""
    bundle = verify_bundle(find_bundle(arguments.model))
    summary = {**_summary(bundle), "files": len(bundle.description.files) + 1}
    if arguments.json:
        print_json({**summary, "valid": True})
    else:
        print("{name} {version}: unchanged, {files} files, SHA-256 {sha256}".format(**summary))
    return 0


def _entry(folder: Path) -> dict[str, Any]:
    try:
        bundle = load_bundle(folder)
    except BundleError as error:
        return {"name": folder.name, "path": str(folder), "error": str(error)}
    description = bundle.description
    return {
        **_summary(bundle),
        "modality": description.modality,
        "structures": [structure.name for structure in description.structures],
        "description": description.description,
    }


def _line(entry: dict[str, Any]) -> str:
    if "error" in entry:
        return f"{entry['name']}  DAMAGED: {entry['error']}"
    origin = "  (added)" if entry["added"] else ""
    return (
        "{name} {version}  {modality}  {names}".format(names=", ".join(entry["structures"]), **entry) + origin
    )


def _summary(bundle: Bundle) -> dict[str, Any]:
    description = bundle.description
    return {
        "name": description.name,
        "version": description.version,
        "sha256": bundle.sha256,
        "path": str(bundle.source),
    }


def _facts(bundle: Bundle) -> list[tuple[str, str]]:
    description = bundle.description
    spacing = " x ".join(f"{length:g}" for length in description.input.spacing_mm)
    patch = " x ".join(map(str, description.input.patch_size))
    training = description.training
    patients = ", ".join(f"{count} {part}" for part, count in training.patients.items())
    return [
        ("name", f"{description.name} {description.version}"),
        ("description", description.description),
        ("input", f"{description.modality}, channels: {', '.join(description.channels)}"),
        ("grid", f"{spacing} mm, {description.input.orientation}, patches of {patch} voxels"),
        ("structures", ", ".join(f"{item.label} {item.name}" for item in description.structures)),
        ("family", f"{description.family}, propagation {description.propagation}"),
        ("trained on", f"{training.data} ({patients} patients; {training.data_license})"),
        ("license", description.license),
        ("sha256", bundle.sha256),
        ("path", str(bundle.source)),
    ]


def add(arguments: argparse.Namespace) -> int:
    """Verify a bundle folder or a `.trustseg` file and copy it to the added models, whole or not at all.

    Parameters
    ----------
    arguments : Namespace
        `model` is a path, `overwrite` whether to replace an added model of the same name, `json` the output.

    Raises
    ------
    BundleError
        It is not a bundle, or a damaged one.
    OptionError
        There is a model of the same name.
    OutputError
        It cannot be written; the added models are unchanged.
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
    """Remove an added model, which may be damaged.

    Parameters
    ----------
    arguments : Namespace
        `model` is the name, `json` the output.

    Raises
    ------
    OptionError
        No model of that name was added.
    OutputError
        It cannot be removed; it is unchanged.
    """
    name, models = arguments.model, added_models()
    if name not in models:
        raise _not_added(name, list(models))
    folder = models[name]
    with _models_folder(folder.parent) as private:
        _move(folder, private / name)  # Atomic: the model is never found half removed.
    if arguments.json:
        print_json({"name": name, "path": str(folder), "removed": True})
    else:
        print(f"removed {name}: {folder}")
    return 0


def _models_folder(folder: Path) -> AbstractContextManager[Path]:
    """Private folder inside the folder of the added models."""
    return private_folder(str(folder), "the folder of your models", f"set {MODELS_VARIABLE} to another")


def _check_name(name: str, target: Path, overwrite: bool) -> None:
    # Some file systems ignore case.
    if name.casefold() in {folder.name.casefold() for folder in bundled_models()}:
        raise OptionError(f"{name}: is the name of a model that comes with TrustSeg; give yours another one")
    if not os.path.lexists(target):
        return
    if not (target / MODEL_FILE).is_file():
        raise OutputError(f"{target}: exists and is not a model; move it away")
    if not overwrite:
        raise OptionError(f"{name}: a model of this name was added before ({target}); give --overwrite")


def _copy(bundle: Bundle, folder: Path) -> None:
    """Copy the files that the bundle lists, and verify the copy: the originals may have changed."""
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
    return output_error(path, error, "check its permissions", f"cannot be {what}")


def _not_added(name: str, models: list[str]) -> OptionError:
    if name in {folder.name for folder in bundled_models()}:
        return OptionError(f"{name}: comes with TrustSeg and cannot be removed; only added models can")
    return OptionError(f"{name}: no model of this name was added; added are: {', '.join(models) or 'none'}")
