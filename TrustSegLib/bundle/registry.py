"""Find a model by name among the bundled and the added ones, or by path."""

from __future__ import annotations

from pathlib import Path

from TrustSegLib.bundle.added_models import added_models
from TrustSegLib.bundle.description import MODEL_FILE
from TrustSegLib.errors import BundleError

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
