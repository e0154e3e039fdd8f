"""The DICOM objects of a result: the mask as a Segmentation, the error probability as a Parametric Map."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from highdicom import (
    AlgorithmIdentificationSequence,
    ContributingEquipment,
    VOILUTFunctionValues,
    VOILUTTransformation,
)
from highdicom.color import CIELabColor
from highdicom.pm import DerivedPixelContrastValues, ImageFlavorValues, ParametricMap, RealWorldValueMapping
from highdicom.seg import SegmentAlgorithmTypeValues, Segmentation, SegmentationTypeValues, SegmentDescription
from highdicom.sr import CodedConcept
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes
from pydicom.uid import generate_uid

from TrustSegLib.bundle import Code, ModelDescription, Structure
from TrustSegLib.contract import DEFAULT_MAP, INTENDED_USE, RAW_TITLE, map_display, map_title
from TrustSegLib.imaging import Volume
from TrustSegLib.version import __version__

SEGMENTATION_NOTE = f"{INTENDED_USE.capitalize()}; automatic, not reviewed by a person"
MAP_NOTE = f"{INTENDED_USE.capitalize()}; probability that a voxel's label is wrong"
RAW_MAP_NOTE = f"{INTENDED_USE.capitalize()}; raw, not calibrated: no probability"
MANUFACTURER = "TrustSeg"
_SIDES = ("R", "L", "B", "U")  # right, left, both, unpaired
_LONGEST = 64  # characters of the DICOM type LO
_LARGEST_NUMBER = 2**31 - 1  # of the DICOM type IS


def segmentation_object(
    labels: Volume, description: ModelDescription, model: Mapping[str, str], sources: Sequence[Dataset]
) -> Segmentation:
    """Make the DICOM object of a mask.

    Frames without a voxel of their segment are left out, so an empty structure has a description and no
    frames. A completely empty mask keeps all its frames, since an image must have some.

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
        **series_of_result(sources[0], model, 1, "Segmentation", SEGMENTATION_NOTE),
    )
    _complete(segmentation)
    return segmentation


def describe_segment(structure: Structure, model: Mapping[str, str]) -> SegmentDescription:
    """Describe a structure of the model as a segment of an automatic algorithm.

    Parameters
    ----------
    structure : Structure
        Its label is the segment's number.
    model : Mapping
        `name`, `version` and `sha256`.
    """
    terminology = structure.terminology
    segment = SegmentDescription(
        segment_number=structure.label,
        segment_label=long_string(structure.name),
        segmented_property_category=concept(terminology.category),
        segmented_property_type=concept(terminology.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm(model),
        anatomic_regions=[concept(terminology.region)] if terminology.region else None,
        display_color=CIELabColor.from_rgb(*structure.color),
    )
    # highdicom has no modifiers; in the standard they are items of the code that they modify.
    segment.SegmentedPropertyTypeCodeSequence = [structure_code(structure)]
    if terminology.region and terminology.region_modifier:
        region = segment.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = [concept(terminology.region_modifier)]
    return segment


def structure_code(structure: Structure) -> CodedConcept:
    """Return the code of a structure, with its modifier, such as the side."""
    terminology = structure.terminology
    code = concept(terminology.type)
    if terminology.type_modifier:
        code.SegmentedPropertyTypeModifierCodeSequence = [concept(terminology.type_modifier)]
    return code


def concept(code: Code) -> CodedConcept:
    """Return a code of a model as DICOM has it."""
    return CodedConcept(code.code, code.scheme, long_string(code.meaning))


def parametric_map(
    error: Volume, model: Mapping[str, str], sources: Sequence[Dataset], calibrated: bool
) -> ParametricMap:
    """Make the DICOM object of an error probability map.

    Parameters
    ----------
    error : Volume
        (1, D, H, W), 0 to 1; stored as float32 without loss.
    model : Mapping
        `name`, `version` and `sha256`.
    sources : sequence of Dataset
        D headers of the source series, in the order of the slices.
    calibrated : bool
        Whether the values are probabilities; if not, nothing in the object calls them so.
    """
    shown = map_display(DEFAULT_MAP, classes=2)  # The range is the same for any number of classes.
    image = ParametricMap(
        source_images=sources,
        pixel_array=error.array[0].astype(np.float32, copy=False),
        contains_recognizable_visual_features=False,
        real_world_value_mappings=[_identity_mapping(calibrated)],
        voi_lut_transformations=[
            VOILUTTransformation(
                window_center=(shown.low + shown.high) / 2,
                window_width=shown.high - shown.low,
                # The usual function, LINEAR, does not allow widths below 1 (PS3.3 C.11.2.1.2.1).
                voi_lut_function=VOILUTFunctionValues.LINEAR_EXACT,
            )
        ],
        image_flavor=ImageFlavorValues.VOLUME,
        derived_pixel_contrast=DerivedPixelContrastValues.QUANTITY,
        content_label=_map_label(calibrated),
        **series_of_result(
            sources[0],
            model,
            2,
            map_title(DEFAULT_MAP, calibrated),
            MAP_NOTE if calibrated else RAW_MAP_NOTE,
        ),
    )
    _complete(image)
    add_frame_anatomy(image, sources)
    sort_frames_along_normal(image)
    return image


def _map_label(calibrated: bool) -> str:
    return "ERROR_PROB" if calibrated else "RAW_UNCERTAINTY"


def _identity_mapping(calibrated: bool) -> RealWorldValueMapping:
    return RealWorldValueMapping(
        lut_label=_map_label(calibrated),
        lut_explanation="Probability that the label is wrong" if calibrated else RAW_TITLE,
        unit=codes.UCUM.NoUnits,
        value_range=(0.0, 1.0),
        slope=1.0,
        intercept=0.0,
        quantity_definition=codes.DCM.Probability if calibrated else None,
    )


def add_frame_anatomy(image: Dataset, sources: Sequence[Dataset]) -> None:
    """Say of which part and side of the body all frames are, as far as the source does.

    dcmqi, with which 3D Slicer reads maps, crashes without (PS3.3 C.7.6.16.2.8).

    Parameters
    ----------
    image : Dataset
        With shared functional groups; changed in place.
    sources : sequence of Dataset
        Headers of the source series; their side is taken if all have the same.
    """
    sides = {source.get("ImageLaterality") or source.get("Laterality") for source in sources}
    side = sides.pop() if len(sides) == 1 else None
    anatomy = Dataset()
    # True of any image, as which organs lie beside the structures is not known.
    anatomy.AnatomicRegionSequence = [CodedConcept("85756007", "SCT", "Tissue")]
    # There is no value for "unknown". Tissue is not paired, so "unpaired" says nothing that may be false.
    anatomy.FrameLaterality = side if side in _SIDES else "U"
    image.SharedFunctionalGroupsSequence[0].FrameAnatomySequence = [anatomy]


def sort_frames_along_normal(image: Dataset) -> None:
    """Sort the frames of a float image along their normal.

    highdicom writes them in the opposite order. Readers should use the frames' positions; dcmqi, with which
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


def long_string(text: str) -> str:
    """Fit text to the DICOM type LO: one line of at most 64 characters without backslashes."""
    return " ".join(text.replace("\\", "/").split())[:_LONGEST]


def new_uid() -> str:
    """Return a new identifier under the root of UUIDs, `2.25.`, which needs no registration."""
    return str(generate_uid(prefix=None))


def model_name(model: Mapping[str, str]) -> str:
    """Name the algorithm: `TrustSeg NAME VERSION`."""
    return f"{MANUFACTURER} {model['name']} {model['version']}"


def algorithm(model: Mapping[str, str]) -> AlgorithmIdentificationSequence:
    """Identify the algorithm of a segment by name, version and hash of the model."""
    return AlgorithmIdentificationSequence(
        name=long_string(model_name(model)),
        family=codes.DCM.ArtificialIntelligence,
        version=long_string(model["version"]),
        source=MANUFACTURER,
        parameters={"model_sha256": model["sha256"]},
    )


def series_of_result(
    source: Dataset, model: Mapping[str, str], number: int, description: str, note: str
) -> dict[str, Any]:
    """Return the arguments of every highdicom object for series, equipment and text.

    Parameters
    ----------
    source : Dataset
        A header of the source series.
    model : Mapping
        `name`, `version` and `sha256`.
    number : int
        Of the result: 1, 2 ...
    description : str
        What the series shows; the model's name is added.
    note : str
        Note on the content for the reader, at most 64 characters.
    """
    return {
        "series_instance_uid": new_uid(),
        "series_number": _series_number(source, number),
        "sop_instance_uid": new_uid(),
        "instance_number": 1,
        "manufacturer": MANUFACTURER,
        "manufacturer_model_name": long_string(model["name"]),
        "software_versions": [__version__, long_string(f"{model['name']} {model['version']}")],
        "device_serial_number": long_string(model["sha256"]),
        "series_description": long_string(f"{description}, {model_name(model)}"),
        "content_description": long_string(note),
        "contributing_equipment": [_equipment(model)],
        # Names in any script: the source's character set may lack those of the model.
        "specific_character_set": "ISO_IR 192",
    }


def _complete(image: Dataset) -> None:
    """Replace the identifier that highdicom creates under its own root, and add what it leaves out."""
    image.ContentCreatorName = ""  # nobody's: required, but may be empty (PS3.3 10.9)
    uid = new_uid()
    image.DimensionOrganizationSequence[0].DimensionOrganizationUID = uid
    for index in image.DimensionIndexSequence:
        index.DimensionOrganizationUID = uid


def _series_number(source: Dataset, number: int) -> int:
    """Return a number that sorts the result after its source: 7 has the results 701, 702."""
    result = 100 * max(0, int(source.get("SeriesNumber") or 0)) + number
    return result if result <= _LARGEST_NUMBER else number


def _equipment(model: Mapping[str, str]) -> ContributingEquipment:
    return ContributingEquipment(
        manufacturer=MANUFACTURER,
        purpose_of_reference=codes.DCM.ProcessingEquipment,
        manufacturer_model_name=long_string(model["name"]),
        software_versions=[__version__, long_string(model["version"])],
        contribution_description=f"Model {model['name']} {model['version']}, SHA-256 {model['sha256']}",
    )
