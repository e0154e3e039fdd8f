"""What a reader needs to make the report again."""

from __future__ import annotations

from importlib import metadata

from TrustSegLib.version import __version__ as library_version

from .readings import Summary

_PACKAGES = ("torch", "monai", "torchio", "numpy", "scipy", "SimpleITK", "pandas", "matplotlib")
NOT_RECORDED = "not recorded"


def provenance(summary: Summary) -> list[tuple[str, str]]:
    """Names and values; ``command``, ``data``, ``split`` and ``versions`` as far as the summary has them."""
    models = [(f"Model {name}, SHA-256", digest) for name, digest in summary.get("models", {}).items()]
    return [
        *models,
        ("Command", summary.get("command", NOT_RECORDED)),
        ("Data", summary.get("data", NOT_RECORDED)),
        ("Set", summary.get("split", NOT_RECORDED)),
        ("Suite", f"{summary.get('suite', '')}: {summary.get('title', '')}"),
        ("Seed", str(summary.get("seed", NOT_RECORDED))),
        ("Images of each model", str(summary.get("cases", NOT_RECORDED))),
        *_versions(summary),
    ]


def _versions(summary: Summary) -> list[tuple[str, str]]:
    told = summary.get("versions")
    if told:
        return [("Measured with", _joined(told))]
    ours = {"trustseg-training": _version("trustseg-training"), "trustseg": library_version}
    return [("This report written with", _joined(ours | {name: _version(name) for name in _PACKAGES}))]


def _joined(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return NOT_RECORDED
