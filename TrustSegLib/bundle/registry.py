"""Find a model by name, among those that ship and those that the user has added, or by path."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from TrustSegLib.bundle.description import MODEL_FILE
from TrustSegLib.errors import BundleError, OptionError

MODELS_FOLDER = Path(__file__).resolve().parent.parent / "models"


def bundled_models() -> list[Path]:
    """Return the folders of the models that come with the library, sorted; a folder's name is its model's."""
    return sorted(file.parent for file in MODELS_FOLDER.glob(f"*/{MODEL_FILE}"))


def known_models() -> dict[str, Path]:
    """Return the folder of each bundled or added model by its name; a bundled one keeps its name."""
    return {**added_models(), **{folder.name: folder for folder in bundled_models()}}


def find_bundle(name_or_path: str | Path) -> Path:
    """Return where a model bundle lies.

    Parameters
    ----------
    name_or_path : str or path
        Name of a bundled or added model, or else a path; `./name` is always a path.

    Returns
    -------
    Path
        Of a folder or an archive, not yet verified.

    Raises
    ------
    BundleError
        If there is neither such a model nor such a path.
    """
    models = known_models()
    if str(name_or_path) in models:
        return models[str(name_or_path)]
    path = Path(name_or_path)
    if path.exists():
        return path
    known = ", ".join(sorted(models)) or "none"
    raise BundleError(
        f"{name_or_path}: is neither a bundled model nor an added one nor a path; models are: {known}"
    )


FOLDER_VARIABLE = "TRUSTSEG_MODELS"
"""Names another folder for the added models, such as one that a group shares."""


def user_models_folder() -> Path:
    """Return the folder of the added models, which need not be there.

    It is `TRUSTSEG_MODELS` or, where that is not set, in the place that the operating system has for the data
    of a user's programs (on Linux the XDG base directory).

    Raises
    ------
    OptionError
        The user has no home folder.
    """
    if os.environ.get(FOLDER_VARIABLE):
        return Path(os.environ[FOLDER_VARIABLE]).absolute()
    try:
        return _data_folder() / "trustseg" / "models"
    except RuntimeError as error:
        raise OptionError(
            f"the folder of your models: you have no home folder; set {FOLDER_VARIABLE} to a folder"
        ) from error


def added_models() -> dict[str, Path]:
    """Return the folder of each added model by its name, sorted; none for a user without a home folder."""
    try:
        folder = user_models_folder()
    except OptionError:
        return {}  # Nobody can have added a model then; the bundled ones work all the same.
    return {file.parent.name: file.parent for file in sorted(folder.glob(f"*/{MODEL_FILE}"))}


def _data_folder() -> Path:
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    given = Path(os.environ.get("XDG_DATA_HOME", ""))
    return given if given.is_absolute() else Path.home() / ".local" / "share"
