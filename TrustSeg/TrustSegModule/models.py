"""The models that come with the library, as the panel describes them: read before PyTorch is there.

The description alone is read here; the worker checks the whole bundle, with its hashes, when it loads it.
"""

from __future__ import annotations

import importlib.util
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from TrustSegModule.errors import SceneError


@dataclass(frozen=True)
class Model:
    """A model bundle.

    Attributes
    ----------
    path : Path
        Folder of the bundle.
    description : dict
        `model.json`.
    """

    path: Path
    description: dict[str, Any]

    @property
    def name(self) -> str:
        """Its name, such as "hippocampus-t1"."""
        return self.description["name"]

    @property
    def images(self) -> str:
        """What it takes, such as "MR, T1"."""
        return ", ".join([self.description["modality"], *self.description["channels"]])

    @property
    def trained_on(self) -> str:
        """The training data in short, with the number of patients."""
        training = self.description["training"]
        # What follows the colon or the bracket is for those who look it up.
        data = re.split(r"[:(]", training["data"], maxsplit=1)[0].strip()
        return _("{data}; {count} patients").format(data=data, count=training["patients"]["train"])


def bundled_models() -> list[Model]:
    """Return the models of the library by name.

    Raises
    ------
    SceneError
        A description cannot be read.
    """
    folder = Path(importlib.util.find_spec("TrustSegLib").submodule_search_locations[0]) / "models"
    return [_read(path.parent) for path in sorted(folder.glob("*/model.json"))]


def _read(folder: Path) -> Model:
    try:
        description = json.loads((folder / "model.json").read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = _("{path}: the model cannot be read; install the extension again.")
        raise SceneError(message.format(path=folder / "model.json")) from error
    return Model(folder, description)


def find_model(name: str) -> Model:
    """Return a model of the library by its name; the first one for an empty name.

    Raises
    ------
    SceneError
        There is none of this name.
    """
    models = {model.name: model for model in bundled_models()}
    if not name and models:
        return next(iter(models.values()))
    if name not in models:
        message = _("There is no model '{name}'; there are: {names}.")
        raise SceneError(message.format(name=name, names=", ".join(models) or _("none")))
    return models[name]
