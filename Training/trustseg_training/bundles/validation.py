"""How well a network segments the validation patients, volume by volume."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypedDict

import numpy as np
import torch

from trustseg_training.configuration import FitConfiguration
from trustseg_training.loading import Sample
from trustseg_training.measures import dice, hd95
from trustseg_training.run import volume_network
from TrustSegLib.inference.sliding_window import sliding_window


class Row(TypedDict):
    """One structure of one patient. HD95 is None where prediction or truth is empty."""

    patient: str
    structure: str
    dice: float
    hd95_mm: float | None


def evaluate(
    network: torch.nn.Module, samples: Iterable[Sample], configuration: FitConfiguration
) -> list[Row]:
    """Segment every patient as inference does and compare with the truth.

    Parameters
    ----------
    network : nn.Module
        In evaluation mode.
    samples : iterable of Sample
        Patients that trained nothing.
    configuration : FitConfiguration
        Of the run.

    Returns
    -------
    list of Row
        One per patient and structure.
    """
    rows: list[Row] = []
    for sample in samples:
        image = sample["image"].numpy()
        mean, _ = sliding_window(image, volume_network(network), configuration.patch_shape)
        labels, truth = mean.argmax(axis=0), sample["label"][0].numpy()
        for index, structure in enumerate(configuration.structures, start=1):
            masks = labels == index, truth == index
            distance = hd95(*masks, configuration.spacing)
            rows.append(Row(patient=sample["name"], structure=structure, dice=dice(*masks), hd95_mm=distance))
    return rows


def summarize(rows: list[Row]) -> dict[str, dict[str, float | None]]:
    """Mean and standard deviation over patients of each structure; no HD95 when no patient has one."""
    summary = {}
    for structure in dict.fromkeys(row["structure"] for row in rows):
        own = [row for row in rows if row["structure"] == structure]
        scores = np.array([row["dice"] for row in own])
        distances = np.array([row["hd95_mm"] for row in own if row["hd95_mm"] is not None])
        summary[structure] = {
            "patients": len(own),
            "dice_mean": float(scores.mean()),
            "dice_std": float(scores.std(ddof=1)) if len(scores) > 1 else 0.0,
            "dice_min": float(scores.min()),
            "hd95_mm_mean": float(distances.mean()) if len(distances) else None,
            "hd95_missing": len(own) - len(distances),
        }
    return summary
