"""The figures of a result as a DICOM structured report (TID 1500), which archives keep and viewers show.

A figure that is not known is left out, and a sentence says so.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    ContentSequence,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    Measurement,
    MeasurementReport,
    ObservationContext,
    ObserverContext,
    ReferencedSegment,
    RelationshipTypeValues,
    SourceSeriesForSegmentation,
    TextContentItem,
    TrackingIdentifier,
    VolumetricROIMeasurementsAndQualitativeEvaluations,
)
from pydicom.dataset import Dataset
from pydicom.sr.codedict import codes

from TrustSegLib.bundle import ModelDescription, Structure, Terminology
from TrustSegLib.contract import (
    LOCATED,
    calibration_sentence,
    calibration_title,
    is_map_calibrated,
    sides_sentence,
)
from TrustSegLib.dicom_output.dicom_objects import (
    MANUFACTURER,
    SEGMENTATION_NOTE,
    concept,
    model_name,
    new_uid,
    series_of_result,
)
from TrustSegLib.version import __version__

if TYPE_CHECKING:
    from TrustSegLib.inference import SegmentationResult
    from TrustSegLib.uncertainty import StructureRow

OWN_SCHEME = "99TRUSTSEG"
"""Private coding scheme, of the concepts for which the standard has no code."""
EXPECTED_DSC = CodedConcept("EXPECTED_DSC", OWN_SCHEME, "Expected Dice similarity coefficient of the mask")
ERROR_PROBABILITY = CodedConcept("ERROR_PROB", OWN_SCHEME, "Probability that the label of a voxel is wrong")
EVALUATIONS = CodedConcept("C0034375", "UMLS", "Qualitative Evaluations")
MILLILITER = CodedConcept("ml", "UCUM", "milliliter")
ANATOMICAL_STRUCTURE = "123037004"
"""SNOMED CT code of the category whose types are places of the body themselves."""
_PROCEDURES = {
    "MR": codes.LN.MRIUnspecifiedBodyRegion,
    "CT": codes.LN.CTUnspecifiedBodyRegion,
    "PT": codes.LN.PETUnspecifiedBodyRegion,
}
_SIDES = {code.value for code in codes.cid244.concepts.values()}


def structured_report(
    result: SegmentationResult,
    description: ModelDescription,
    segmentation: Dataset,
    sources: Sequence[Dataset],
) -> ComprehensiveSR:
    """Make the DICOM object of the figures: one measurement group for each structure.

    Parameters
    ----------
    result : SegmentationResult
        Its rows have the labels of the segments.
    description : ModelDescription
        Names and codes of the structures, by label.
    segmentation : Dataset
        The DICOM Segmentation of the mask; each group refers to its segment.
    sources : sequence of Dataset
        Headers of the source series.
    """
    structures = {structure.label: structure for structure in description.structures}
    levels = {part: _levels(result.calibration, part) for part in ("volumes", "quality")}
    algorithm, is_error_known = _algorithm(result.model, description), is_map_calibrated(result.calibration)
    content = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(result.model)),
        procedure_reported=_PROCEDURES.get(sources[0].Modality, codes.SCT.ImagingProcedure),
        imaging_measurements=[
            _group(
                structures[row.label],
                list(_measurements(row, levels, is_error_known)),
                ReferencedSegment(
                    segmentation.SOPClassUID,
                    segmentation.SOPInstanceUID,
                    row.label,
                    source_series=SourceSeriesForSegmentation(sources[0].SeriesInstanceUID),
                ),
                algorithm,
                _comments(row, is_error_known),
            )
            for row in result.structures
        ],
    )
    content[0].ContentSequence.append(_evaluations(_sentences(result)))
    series = series_of_result(sources[0], result.model, 4, "Measurements", SEGMENTATION_NOTE)
    del series["content_description"]  # no attribute of a report, whose content says it
    report = ComprehensiveSR(
        evidence=[*sources, segmentation], content=content, is_complete=True, is_verified=False, **series
    )
    report.CodingSchemeIdentificationSequence = [_own_scheme()]
    return report


def _levels(calibration: Mapping[str, Any] | None, part: str) -> dict[int, float]:
    """Nominal coverage of the intervals of each label."""
    return {entry["label"]: entry["level"] for entry in (calibration or {}).get(part) or ()}


def _observer(model: Mapping[str, str]) -> ObserverContext:
    """The model as the device that has observed: the same model is always the same device."""
    return ObserverContext(
        observer_type=codes.DCM.Device,
        observer_identifying_attributes=DeviceObserverIdentifyingAttributes(
            uid=f"2.25.{uuid.uuid5(uuid.NAMESPACE_OID, model['sha256']).int}",
            name=model_name(model),
            manufacturer_name=MANUFACTURER,
            model_name=model["name"],
            serial_number=model["sha256"],
        ),
    )


def _algorithm(model: Mapping[str, str], description: ModelDescription) -> AlgorithmIdentification:
    return AlgorithmIdentification(
        name=model_name(model),
        version=model["version"],
        manufacturer=MANUFACTURER,
        family=codes.DCM.ArtificialIntelligence,
        parameters=[
            f"model_sha256={model['sha256']}",
            f"family={description.family}",
            f"propagation={description.propagation}",
            f"trustseg_version={__version__}",
        ],
    )


def _group(
    structure: Structure,
    measurements: Sequence[Measurement],
    segment: ReferencedSegment,
    algorithm: AlgorithmIdentification,
    comments: Sequence[str],
) -> VolumetricROIMeasurementsAndQualitativeEvaluations:
    terminology = structure.terminology
    group = VolumetricROIMeasurementsAndQualitativeEvaluations(
        tracking_identifier=TrackingIdentifier(uid=new_uid(), identifier=structure.name),
        referenced_segment=segment,
        finding_category=concept(terminology.category),
        finding_type=concept(terminology.type),
        finding_sites=_sites(terminology),
        algorithm_id=algorithm,
        measurements=measurements,
    )
    group[0].ContentSequence.extend(_comment(text) for text in comments)
    return group


def _sites(terminology: Terminology) -> list[FindingSite]:
    """Where a structure lies, with its side and its part: anatomy is its own place, else its region."""
    anatomical = terminology.category.code == ANATOMICAL_STRUCTURE
    place = terminology.type if anatomical else terminology.region
    if place is None:
        return []
    modifiers = [terminology.type_modifier, terminology.region_modifier]
    sides = [code for code in modifiers if code is not None and code.code in _SIDES]
    part = terminology.type_modifier if anatomical else terminology.region_modifier
    return [
        FindingSite(
            concept(place),
            laterality=concept(sides[0]) if sides else None,
            topographical_modifier=None if part is None or part in sides else concept(part),
        )
    ]


def _measurements(
    row: StructureRow, levels: Mapping[str, Mapping[int, float]], is_error_known: bool
) -> Iterator[Measurement]:
    yield Measurement(codes.SCT.Volume, row.volume_ml, MILLILITER)
    if row.volume_interval_ml is not None:
        level = levels["volumes"][row.label]
        yield from _interval(codes.SCT.Volume, row.volume_interval_ml, level, MILLILITER)
    if row.expected_dsc is not None:
        yield Measurement(EXPECTED_DSC, row.expected_dsc, codes.UCUM.NoUnits)
    if row.expected_dsc_interval is not None:
        level = levels["quality"][row.label]
        yield from _interval(EXPECTED_DSC, row.expected_dsc_interval, level, codes.UCUM.NoUnits)
    if is_error_known and row.mean_uncertainty is not None:
        yield Measurement(
            ERROR_PROBABILITY, row.mean_uncertainty, codes.UCUM.NoUnits, derivation=codes.SCT.Mean
        )


def _interval(
    name: CodedConcept, limits: tuple[float, float], level: float, unit: CodedConcept
) -> Iterator[Measurement]:
    for end, value in zip(("lower", "upper"), limits, strict=True):
        yield Measurement(name, value, unit, derivation=interval_limit(level, end))


def interval_limit(level: float, end: str) -> CodedConcept:
    """Code the limit of an interval, for which the standard has no derivation.

    The uncertainty of a measurement in PS3.16 (CID 225) is a distance from its value, without a level, and an
    interval here need not contain the value.

    Parameters
    ----------
    level : float
        Nominal coverage, such as .9.
    end : str
        `lower` or `upper`.
    """
    percent = f"{100 * level:g}"
    return CodedConcept(
        f"PI{percent}_{end.upper()}",
        OWN_SCHEME,
        f"{end.capitalize()} limit of the {percent} % prediction interval",
    )


def _comments(row: StructureRow, is_error_known: bool) -> list[str]:
    """Why a person should look at a structure, and which of its figures are left out."""
    comments = [] if row.flag is None else [f"To review: {row.flag}"]
    known = {
        "interval of the volume": row.volume_interval_ml is not None,
        "expected DSC": row.expected_dsc is not None,
        "probability of errors": is_error_known,
    }
    if missing := [name for name, there in known.items() if not there]:
        comments.append(f"Not known: {', '.join(missing)}")
    return comments


def _sentences(result: SegmentationResult) -> Iterator[str]:
    """What holds for all structures."""
    yield SEGMENTATION_NOTE
    yield calibration_title(result.calibration).capitalize()
    if not_calibrated := calibration_sentence(result.calibration):
        yield not_calibrated
    if result.sides is not None:
        yield sides_sentence(asdict(result.sides))
    elif "location" in result.provenance:
        yield LOCATED
    yield from result.case.warnings


def _evaluations(sentences: Iterator[str]) -> ContainerContentItem:
    container = ContainerContentItem(EVALUATIONS, relationship_type=RelationshipTypeValues.CONTAINS)
    container.ContentSequence = ContentSequence([_comment(sentence) for sentence in sentences])
    return container


def _comment(text: str) -> TextContentItem:
    return TextContentItem(codes.DCM.Comment, text, RelationshipTypeValues.CONTAINS)


def _own_scheme() -> Dataset:
    scheme = Dataset()
    scheme.CodingSchemeDesignator = OWN_SCHEME
    scheme.CodingSchemeName = "Concepts of TrustSeg"
    scheme.CodingSchemeVersion = __version__
    return scheme
