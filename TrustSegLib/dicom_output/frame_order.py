"""The order of a map's frames in the file, on which some readers rely."""

from __future__ import annotations

import numpy as np
from pydicom.dataset import Dataset


def sort_frames_along_normal(image: Dataset) -> None:
    """Put the frames of a float image in the order in which they follow each other along their normal.

    highdicom writes them the other way round. Readers should go by the frames' positions; dcmqi, with which
    3D Slicer reads maps, takes the n-th frame for the n-th slice along rows x columns and would show the map
    upside down.

    Parameters
    ----------
    image : Dataset
        One frame per slice, float32 pixels, one shared orientation; changed in place.
    """
    shared = image.SharedFunctionalGroupsSequence[0]
    axes = np.reshape([float(c) for c in shared.PlaneOrientationSequence[0].ImageOrientationPatient], (2, 3))
    groups = list(image.PerFrameFunctionalGroupsSequence)
    positions = np.array(
        [
            [float(number) for number in group.PlanePositionSequence[0].ImagePositionPatient]
            for group in groups
        ]
    )
    order = np.argsort(positions @ np.cross(*axes))
    frames = np.frombuffer(image.FloatPixelData, dtype="<f4").reshape(len(groups), -1)
    image.FloatPixelData = frames[order].tobytes()
    image.PerFrameFunctionalGroupsSequence = [groups[index] for index in order]
    for place, group in enumerate(image.PerFrameFunctionalGroupsSequence, start=1):
        group.FrameContentSequence[0].DimensionIndexValues = [place]
