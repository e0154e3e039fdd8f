"""The segments' codes and colors, from the model's description."""

from __future__ import annotations

from collections.abc import Mapping

from highdicom.color import CIELabColor
from highdicom.seg import SegmentAlgorithmTypeValues, SegmentDescription
from highdicom.sr import CodedConcept

from TrustSegLib.bundle import Code, Structure
from TrustSegLib.dicom_output.identity import algorithm, long_string


def describe_segment(structure: Structure, model: Mapping[str, str]) -> SegmentDescription:
    """Describe a structure of the model as a segment that no person has touched.

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
        segmented_property_category=_concept(terminology.category),
        segmented_property_type=_concept(terminology.type),
        algorithm_type=SegmentAlgorithmTypeValues.AUTOMATIC,
        algorithm_identification=algorithm(model),
        anatomic_regions=[_concept(terminology.region)] if terminology.region else None,
        display_color=CIELabColor.from_rgb(*structure.color),
    )
    # highdicom takes no modifiers; the standard puts each inside the code that it modifies.
    if terminology.type_modifier:
        kind = segment.SegmentedPropertyTypeCodeSequence[0]
        kind.SegmentedPropertyTypeModifierCodeSequence = [_concept(terminology.type_modifier)]
    if terminology.region and terminology.region_modifier:
        region = segment.AnatomicRegionSequence[0]
        region.AnatomicRegionModifierSequence = [_concept(terminology.region_modifier)]
    return segment


def _concept(code: Code) -> CodedConcept:
    return CodedConcept(code.code, code.scheme, long_string(code.meaning))
