"""The error probability as a DICOM Parametric Map.

Float pixels with the identity as real world value: dcmqi (and so 3D Slicer) reads no other kind.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from highdicom import VOILUTTransformation
from highdicom.pm import DerivedPixelContrastValues, ImageFlavorValues, ParametricMap, RealWorldValueMapping
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from TrustSegLib.dicom_output.frame_order import sort_frames_along_normal
from TrustSegLib.dicom_output.identity import series_of_result, use_new_dimension_uid
from TrustSegLib.imaging import Volume

NOTE = "Research use only; probability that a voxel's label is wrong"
_SHOWN = (0.0, 0.5)  # the scale of the error probability in all our pictures


def parametric_map(error: Volume, model: Mapping[str, str], sources: Sequence[Dataset]) -> ParametricMap:
    """Make the DICOM object of an error probability map.

    Parameters
    ----------
    error : Volume
        (1, D, H, W), 0 to 1; stored as float32 without loss.
    model : Mapping
        `name`, `version` and `sha256`.
    sources : sequence of Dataset
        D headers of the source series, in the order of the slices.
    """
    low, high = _SHOWN
    image = ParametricMap(
        source_images=sources,
        pixel_array=error.array[0].astype(np.float32, copy=False),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_identity_mapping()],
        voi_lut_transformations=[
            VOILUTTransformation(window_center=(low + high) / 2, window_width=high - low)
        ],
        image_flavor=ImageFlavorValues.VOLUME,
        derived_pixel_contrast=DerivedPixelContrastValues.QUANTITY,
        content_label="ERROR_PROB",
        **series_of_result(sources[0], model, 2, "Error probability", NOTE),
    )
    use_new_dimension_uid(image)
    sort_frames_along_normal(image)
    return image


def _identity_mapping() -> RealWorldValueMapping:
    return RealWorldValueMapping(
        lut_label="ERROR_PROB",
        lut_explanation="Probability that the label is wrong",
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=codes.DCM.Probability,
    )
