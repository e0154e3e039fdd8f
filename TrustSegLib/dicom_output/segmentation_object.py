"""The mask as a DICOM Segmentation.

BINARY, one frame per slice and segment: every reader knows it; many have not learned the newer LABELMAP yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from highdicom.seg import Segmentation, SegmentationTypeValues
from pydicom.dataset import Dataset

from TrustSegLib.bundle import ModelDescription
from TrustSegLib.dicom_output.identity import series_of_result, use_new_dimension_uid
from TrustSegLib.dicom_output.segments import describe_segment
from TrustSegLib.imaging import Volume

NOTE = "Research use only; automatic, not reviewed by a person"


def segmentation_object(
    labels: Volume, description: ModelDescription, model: Mapping[str, str], sources: Sequence[Dataset]
) -> Segmentation:
    """Make the DICOM object of a mask.

    Frames without a voxel of their segment are left out, so a structure that was not found has a description
    and no frames. A mask that is empty as a whole keeps all its frames, since an image must have some.

    Parameters
    ----------
    labels : Volume
        (1, D, H, W) uint8, 0 is background.
    description : ModelDescription
        Names, codes and colors of the structures; all of them become segments.
    model : Mapping
        `name`, `version` and `sha256`.
    sources : sequence of Dataset
        D headers of the source series, in the order of the slices.
    """
    segmentation = Segmentation(
        source_images=sources,
        pixel_array=labels.array[0],
        segmentation_type=SegmentationTypeValues.BINARY,
        segment_descriptions=[describe_segment(structure, model) for structure in description.structures],
        omit_empty_frames=bool(labels.array.any()),
        content_label="SEGMENTATION",
        **series_of_result(sources[0], model, 1, "Segmentation", NOTE),
    )
    use_new_dimension_uid(segmentation)
    return segmentation
