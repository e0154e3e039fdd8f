"""Where the models are that a user has added with `trustseg models add`.

The same folder as `TrustSegLib.bundle.added_models` says, which cannot be asked here: it brings packages that
may not be installed yet, and takes a second to load.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

FOLDER_VARIABLE = "TRUSTSEG_MODELS"


def added_model_folders() -> list[Path]:
    """Return the folders of the added models, sorted; none for a user without a home folder."""
    try:
        folder = _models_folder()
    except RuntimeError:
        return []  # Nobody can have added a model then.
    return [file.parent for file in sorted(folder.glob("*/model.json"))]


def _models_folder() -> Path:
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE]).absolute()
    return _data_folder() / "trustseg" / "models"


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "share"
