"""What only the running application has: dialogs, restart, installers, sample data. It decides nothing."""

from __future__ import annotations

import importlib
from pathlib import Path

import slicer
from slicer.i18n import tr as _

REQUESTER = "TrustSeg"

SAMPLE_FOLDER = Path(__file__).resolve().parents[2] / "Resources" / "SampleData"
SAMPLES = {
    "head_colin27": "c4ad014206c59e8c5f0010aab6125780027967882dfcbe7b6387cc999ce28d92",
    "hippocampus_223": "98e5594d3f0a89f5e22f09b5eb7a755ede52ac6d1cff89b4827c958194cbddd6",
}
"""Names of the sample images and the SHA-256 of their files."""


def is_testing() -> bool:
    """Whether Slicer runs with `--testing`: then nothing may be asked or installed."""
    return slicer.app.testingEnabled()


def confirm(question: str, details: str) -> bool:
    """Ask whether to continue; `details` are shown at the click of a button."""
    title = _("{requester}: install Python packages").format(requester=REQUESTER)
    return slicer.util.confirmOkCancelDisplay(question, windowTitle=title, detailedText=details)


def offer_restart(reason: str) -> None:
    """Ask whether to restart Slicer now, and do so."""
    title = _("{requester}: restart Slicer").format(requester=REQUESTER)
    if slicer.util.confirmYesNoDisplay(reason, windowTitle=title):
        slicer.util.restart()


def open_module(name: str) -> None:
    """Switch the application to another module, such as "SegmentEditor", if it has a window."""
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule(name)


def show_image(volume_node) -> None:
    """Show an image in the slice views, whole, as when it has just been loaded."""
    if slicer.app.layoutManager() is not None:
        slicer.util.setSliceViewerLayers(background=volume_node, fit=True)


def choose_folder(title: str) -> str:
    """Ask for a folder to write into; an empty string when the user cancels."""
    import qt

    return qt.QFileDialog.getExistingDirectory(slicer.util.mainWindow(), title)


def torch_installer() -> object | None:
    """Return the `PyTorchUtilsLogic` of the PyTorch extension; None when the extension is not installed."""
    if getattr(slicer.modules, "pytorchutils", None) is None:
        return None
    return importlib.import_module("PyTorchUtils").PyTorchUtilsLogic()


def install_packages(requirements: list[str], constraints: Path) -> bool:
    """Install packages into Slicer's Python, without asking.

    Parameters
    ----------
    requirements : list of str
        Such as `"scipy>=1.11"`.
    constraints : Path
        File for pip's `-c`: versions that must not change.

    Returns
    -------
    bool
        Whether Slicer itself offers a restart: older versions, without `slicer.packaging`, do not.

    Raises
    ------
    subprocess.CalledProcessError
        When pip fails. Slicer with `slicer.packaging` has then shown its log.
    """
    packaging = _packaging()
    if packaging is None:
        slicer.util.pip_install([*requirements, "-c", str(constraints)])
        return False
    packaging.pip_ensure(requirements, constraints=constraints, prompt_install=False, requester=REQUESTER)
    return True


def _packaging() -> object | None:
    """`slicer.packaging`, which Slicer has from 5.12 on."""
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ModuleNotFoundError as error:
        if error.name != "slicer.packaging":
            raise
        return None
    return packaging if hasattr(packaging, "pip_ensure") else None


def register_sample_data() -> None:
    """Offer the sample images once Slicer has started; nothing happens in a Slicer without Sample Data."""
    if not hasattr(slicer.modules, "sampledata"):
        return
    import SampleData

    titles = {"head_colin27": _("Head MR"), "hippocampus_223": _("Hippocampus MR")}
    for name, digest in SAMPLES.items():
        file = f"{name}.nii.gz"
        SampleData.SampleDataLogic.registerCustomSampleDataSource(
            category="TrustSeg",
            sampleName=titles[name],
            thumbnailFileName=str(SAMPLE_FOLDER / f"{name}.png"),
            uris=(SAMPLE_FOLDER / file).as_uri(),
            fileNames=file,
            checksums=f"SHA256:{digest}",
            nodeNames=name,
            loadFileTypes="VolumeFile",
        )
