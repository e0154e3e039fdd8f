"""Find a model by path or by name, among the bundled models and those that the user has added."""

from __future__ import annotations

from pathlib import Path

from TrustSegLib.bundle.loading import Bundle, load_bundle
from TrustSegLib.contract import MODEL_FILE, MODELS_VARIABLE, added_models_folder
from TrustSegLib.errors import BundleError, OptionError

MODELS_FOLDER = Path(__file__).resolve().parent.parent / "models"


def bundled_models() -> list[Path]:
    """Return the folders of the models that come with the library, sorted; a folder's name is its model's."""
    return sorted(file.parent for file in MODELS_FOLDER.glob(f"*/{MODEL_FILE}"))


def known_models() -> dict[str, Path]:
    """Return the folder of each bundled or added model by its name; a bundled one keeps its name."""
    return {**added_models(), **{folder.name: folder for folder in bundled_models()}}


def find_bundle(name_or_path: str | Path) -> Path:
    """Return the path of a model bundle.

    Parameters
    ----------
    name_or_path : str or path
        Name of a bundled or added model, or a path; `./name` is always a path.

    Returns
    -------
    Path
        Of a folder or an archive, not yet verified.

    Raises
    ------
    BundleError
        There is neither such a model nor such a path.
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


def load_known_models() -> tuple[list[Bundle], dict[str, str]]:
    """Load and verify every model, those that the user has added first.

    Returns
    -------
    list of Bundle
        Those that can be used.
    dict of str to str
        Name of each other one, and what is wrong with it, as a clause.
    """
    found, unusable = [], {}
    for name, folder in {**added_models(), **known_models()}.items():
        try:
            found.append(load_bundle(folder))
        except BundleError as error:
            unusable[name] = f"is damaged ({error})"
    return found, unusable


def added_models() -> dict[str, Path]:
    """Return the folder of each added model by its name, sorted; none for a user without a home folder."""
    try:
        folder = user_models_folder()
    except OptionError:
        return {}  # Nobody can have added a model then; the bundled ones work all the same.
    return {file.parent.name: file.parent for file in sorted(folder.glob(f"*/{MODEL_FILE}"))}


def user_models_folder() -> Path:
    """Return the folder of the added models, which need not exist; see `contract.added_models_folder`.

    Raises
    ------
    OptionError
        The user has no home folder.
    """
    try:
        return added_models_folder()
    except RuntimeError as error:
        raise OptionError(
            f"the folder of your models: you have no home folder; set {MODELS_VARIABLE} to a folder"
        ) from error
