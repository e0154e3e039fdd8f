"""How a model's fields of view are found in a larger scan: its part `locator` of `model.json`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

SIDES = {"left": ("7771000", "Left"), "right": ("24028007", "Right")}
"""SNOMED CT code and meaning of each side."""


@dataclass(frozen=True)
class FieldOfView:
    """One place of the atlas that looks like the images on which the model was trained.

    Attributes
    ----------
    name : str
        Precedes the names of the structures, such as "Left".
    side : str or None
        Of the patient, "left" or "right"; None if it has none.
    center_mm : tuple of 3 float
        In the atlas: towards right, anterior and superior (RAS).
    size_mm : tuple of 3 float
        Along left-right, front-back and foot-head.
    mirror : bool
        Whether left and right are exchanged before the model sees it.
    """

    name: str
    side: str | None
    center_mm: tuple[float, float, float]
    size_mm: tuple[float, float, float]
    mirror: bool = False

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> FieldOfView:
        """Read it from its part of `model.json`."""
        places = {name: tuple(float(length) for length in data[name]) for name in ("center_mm", "size_mm")}
        return cls(**{**data, **places})

    def to_dict(self) -> dict[str, Any]:
        """Return its part of `model.json`."""
        return {**vars(self), "center_mm": list(self.center_mm), "size_mm": list(self.size_mm)}


@dataclass(frozen=True)
class Locator:
    """An atlas, and the fields of view in it.

    Attributes
    ----------
    atlas : str
        File of the bundle: an image of the anatomy, 0 outside of it.
    anatomy : str
        What the atlas shows, for messages, such as "brain".
    organ : str
        What all structures of a field of view make up, such as "hippocampus".
    fields_of_view : tuple of FieldOfView
        With different names.
    source : str
        Origin and license of the atlas.
    """

    atlas: str
    anatomy: str
    organ: str
    fields_of_view: tuple[FieldOfView, ...]
    source: str

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Locator:
        """Read it from its part of `model.json`."""
        fields = tuple(FieldOfView.from_dict(entry) for entry in data["fields_of_view"])
        return cls(**{**data, "fields_of_view": fields})

    def to_dict(self) -> dict[str, Any]:
        """Return its part of `model.json`."""
        return {**vars(self), "fields_of_view": [field.to_dict() for field in self.fields_of_view]}
