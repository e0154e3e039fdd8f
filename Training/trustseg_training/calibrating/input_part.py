"""The part `input` of a calibration: measured on all patients of a model, not on those of the fit alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from trustseg_training.judging import Subject, choose_cases
from TrustSegLib.errors import ImageError

from .fitting import SCHEMA, Fitted
from .input_reference import LEAST_PATIENTS, input_reference, modality_of, reference_cases


def with_input(fitted: Fitted, subject: Subject, data: Path, modality: str | None = None) -> Fitted:
    """Add what the images of training and validation were like.

    Parameters
    ----------
    fitted : Fitted
        The other parts.
    subject : Subject
        Run or bundle.
    data : Path
        Data set.
    modality : str, optional
        DICOM's; default: `modality_of` the model.

    Returns
    -------
    Fitted
        With the reason in `left_out` if there are too few patients, or none for training.

    Raises
    ------
    DatasetError
        Images or labels cannot be used: every one.
    """
    try:
        cases = [case for split in ("train", "val") for case in choose_cases(subject, data, split)]
    except ImageError as error:  # a bundle may be calibrated on data that it was not trained on
        return replace(fitted, left_out=(*fitted.left_out, f"input left out: {error}"))
    modality = modality or modality_of(subject.model.description)
    reference = input_reference(reference_cases(subject, cases, modality))
    if reference is None:
        found = len({case.patient for case in cases})
        reason = f"input left out: {found} patients, at least {LEAST_PATIENTS} are needed"
        return replace(fitted, left_out=(*fitted.left_out, reason))
    content = fitted.content or {"schema": SCHEMA, "record": fitted.record}
    return replace(fitted, content={**content, "input": {"modality": modality, **reference}})
