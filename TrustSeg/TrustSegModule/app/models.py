"""The models of the library and those added with `trustseg models add`, as the panel describes them.

Only the description is read, so that the panel can show the models before PyTorch is installed. The worker
verifies the whole bundle, with its hashes, when it loads it.
"""

from __future__ import annotations

import importlib.util
import json
import logging
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from slicer.i18n import tr as _

from TrustSegLib.contract import MODEL_FILE, added_models_folder
from TrustSegModule.scene.nodes import SceneError


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
        """Short name of the training data, with the number of patients."""
        training = self.description["training"]
        # The details after a colon or bracket are in the tool tip.
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
    return [_read(path.parent) for path in sorted(folder.glob(f"*/{MODEL_FILE}"))]


def installed_models() -> list[Model]:
    """Return the bundled models, then those that the user has added; a bundled one wins over its namesake.

    An added one that cannot be read is skipped and logged.

    Raises
    ------
    SceneError
        The description of a bundled model cannot be read.
    """
    models = {model.name: model for model in bundled_models()}
    for folder in _added_models():
        try:
            model = _read(folder)
            models.setdefault(model.name, model)
        except SceneError as error:
            logging.warning("TrustSeg: %s", error)
    return list(models.values())


def _read(folder: Path) -> Model:
    try:
        description = json.loads((folder / MODEL_FILE).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        message = _("{path}: the model cannot be read; install it again.")
        raise SceneError(message.format(path=folder / MODEL_FILE)) from error
    return Model(folder, description)


def find_model(name: str) -> Model:
    """Return an installed model by its name.

    Raises
    ------
    SceneError
        There is none of this name.
    """
    models = {model.name: model for model in installed_models()}
    if name not in models:
        message = _("There is no model '{name}'; there are: {names}.")
        raise SceneError(message.format(name=name, names=", ".join(models) or _("none")))
    return models[name]


def model_of(report: dict[str, Any]) -> Model:
    """Return the installed model that has made a report.

    Raises
    ------
    SceneError
        It is not installed, or not in this version: the colors and terms of the structures are not known.
    """
    name, version = report["model"]["name"], report["model"]["version"]
    for model in installed_models():
        if (model.name, model.description["version"]) == (name, version):
            return model
    message = _("This was segmented with the model {name} {version}, which is not installed: add it first.")
    raise SceneError(message.format(name=name, version=version))


def _added_models() -> list[Path]:
    """Return the folders of the added models, sorted; none for a user without a home folder."""
    try:
        folder = added_models_folder()
    except RuntimeError:
        return []  # Nobody can have added a model then.
    return [file.parent for file in sorted(folder.glob(f"*/{MODEL_FILE}"))]
