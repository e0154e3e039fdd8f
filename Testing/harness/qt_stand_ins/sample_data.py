"""Stands in for Slicer's module Sample Data: keeps what other modules offer, and downloads nothing."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace

import slicer


class SampleDataLogic:
    """The part that other modules call; `slicer.modules.sampleDataSources` has the result by category."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: str | list[str] | None = None,
        fileNames: str | list[str] | None = None,
        nodeNames: str | list[str] | None = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileTypes: str | list[str] | None = None,
        loadFiles: bool | None = None,
        loadFileProperties: dict | None = None,
        checksums: str | list[str] | None = None,
        loadFileType: str | None = None,
    ) -> None:
        source = SimpleNamespace(**locals())
        sources = slicer.modules.sampleDataSources.setdefault(category, [])
        # As in the application: the same one again does not appear twice.
        if source not in sources:
            sources.append(source)
