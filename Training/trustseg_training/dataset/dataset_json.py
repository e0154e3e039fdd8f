"""What ``dataset.json`` says of a data set: the names of its channels and structures."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from TrustSegLib.errors import ImageError

FILE = "dataset.json"


@dataclass(frozen=True)
class DatasetNames:
    """Names as the data set gives them; empty where it gives none.

    Attributes
    ----------
    channels : tuple of str
        In the order of the files.
    structures : dict of int to str
        By value in the label files, without the background.
    """

    channels: tuple[str, ...] = ()
    structures: dict[int, str] | None = None


def read_names(folder: Path) -> DatasetNames:
    """Read ``dataset.json`` of the Medical Segmentation Decathlon or of nnU-Net; no names without it.

    Raises
    ------
    ImageError
        The file is there but not understood.
    """
    path = folder / FILE
    if not path.is_file():
        return DatasetNames()
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        channels = content.get("modality") or content.get("channel_names") or {}
        labels = _by_value(content.get("labels") or {})
        ordered = tuple(str(channels[key]) for key in sorted(channels, key=int))
        return DatasetNames(ordered, {value: name for value, name in sorted(labels.items()) if value})
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ImageError(f"{path}: not understood ({error}); mend it, or remove it") from error


def _by_value(labels: dict) -> dict[int, str]:
    """Labels are written as {"1": "liver"} by the Decathlon and as {"liver": 1} by nnU-Net."""
    if all(str(key).isdigit() for key in labels):
        return {int(value): str(name) for value, name in labels.items()}
    regions = [name for name, value in labels.items() if not isinstance(value, int)]
    if regions:
        raise ValueError(f"label {regions[0]!r} is a region; give each label one whole number")
    return {value: str(name) for name, value in labels.items()}
