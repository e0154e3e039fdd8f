"""The sample image in Slicer's module Sample Data: it comes with the extension and needs no network."""

from __future__ import annotations

from pathlib import Path

import slicer
from slicer.i18n import tr as _

FOLDER = Path(__file__).resolve().parent.parent / "Resources" / "SampleData"
FILE = "hippocampus_223.nii.gz"
SHA256 = "98e5594d3f0a89f5e22f09b5eb7a755ede52ac6d1cff89b4827c958194cbddd6"


def register() -> None:
    """Offer the sample image once Slicer has started; nothing happens in a Slicer without Sample Data."""
    if not hasattr(slicer.modules, "sampledata"):
        return
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category="TrustSeg",
        sampleName=_("Hippocampus MR"),
        thumbnailFileName=str(FOLDER / "hippocampus_223.png"),
        uris=(FOLDER / FILE).as_uri(),
        fileNames=FILE,
        checksums=f"SHA256:{SHA256}",
        nodeNames="hippocampus_223",
        loadFileTypes="VolumeFile",
    )
