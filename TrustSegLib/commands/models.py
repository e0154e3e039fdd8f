"""`trustseg models`: which models there are, what they say of themselves, whether they are unchanged."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from TrustSegLib.bundle import Bundle, bundled_models, find_bundle, load_bundle, verify_bundle
from TrustSegLib.bundle.added_models import added_models
from TrustSegLib.commands.console import EXIT_MENDABLE, print_json
from TrustSegLib.errors import BundleError


def list_models(arguments: argparse.Namespace) -> int:
    """List the bundled and the added models; a damaged one is listed as such, and makes the exit code 2."""
    entries = [{**_entry(folder), "added": False} for folder in bundled_models()]
    entries += [{**_entry(folder), "added": True} for folder in added_models().values()]
    if arguments.json:
        print_json(entries)
    elif not entries:
        print("no model comes with this installation; give a path to --model")
    else:
        for entry in entries:
            print(_line(entry))
    return EXIT_MENDABLE if any("error" in entry for entry in entries) else 0


def show(arguments: argparse.Namespace) -> int:
    """Show what a verified model says of itself."""
    bundle = load_bundle(find_bundle(arguments.model))
    if arguments.json:
        print_json({**_summary(bundle), **bundle.description.to_dict()})
    else:
        for name, value in _facts(bundle):
            print(f"{name + ':':<14} {value}")
    return 0


def verify(arguments: argparse.Namespace) -> int:
    """Check every byte of a model, and that its network can be built."""
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
