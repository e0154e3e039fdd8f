"""A configuration as commented YAML, with what its data are like."""

from __future__ import annotations

import textwrap
from dataclasses import fields

import numpy as np

from trustseg_training import presets
from trustseg_training.dataset.fingerprint import PERCENTILES, Fingerprint

from .declaration import default_of, sections
from .planning import OF_THE_PRESET, Plan
from .settings import FitConfiguration
from .yaml_file import to_yaml

_WIDTH = 100


def to_text(plan: Plan, fingerprint: Fingerprint, preset: str | None) -> str:
    """Write a plan as YAML with comments.

    Parameters
    ----------
    plan : Plan
        Of `planning.choose`.
    fingerprint : Fingerprint
        Of the data, written at the top.
    preset : str or None
        Name of the preset that was used.
    """
    lines = ["# Train with: trustseg-train fit --config THIS_FILE -o RUN", "#"]
    lines += [f"# {line}".rstrip() for line in _facts(plan, fingerprint, preset)]
    for title, section in sections(FitConfiguration).items():
        lines += ["", f"# --- {title} ---"]
        for name, declared in section.items():
            comment = _comment(name, declared.sentences(), plan)
            lines += [f"# {line}" for line in textwrap.wrap(comment, _WIDTH)]
            lines.append(f"{name}: {to_yaml(getattr(plan.configuration, name))}")
    return "\n".join(lines) + "\n"


def _comment(name: str, meaning: str, plan: Plan) -> str:
    """The reason instead of the meaning if it was chosen; both if it is the preset's."""
    reason = plan.reasons.get(name, "")
    if reason != OF_THE_PRESET:
        return reason or meaning
    default = {each.name: default_of(each) for each in fields(FitConfiguration)}[name]
    changed = getattr(plan.configuration, name) != default
    return " ".join(filter(None, (meaning, reason if changed else "")))


def _facts(plan: Plan, fingerprint: Fingerprint, preset: str | None) -> list[str]:
    splits = ", ".join(f"{name} {count}" for name, count in fingerprint.splits.items())
    seed = plan.configuration.split_seed
    lines = [
        *([f"Preset {preset}:", *(f"  {line}" for line in presets.description(preset))] if preset else []),
        f"Images: {fingerprint.images} of {fingerprint.patients} patients; "
        + (
            f"split of the data: {splits}"
            if splits
            else f"no split in the data, drawn by patient (seed {seed})"
        ),
        f"Spacing in mm, lowest/median/highest: {_range(fingerprint.spacings)}",
        f"Size in voxels, lowest/median/highest: {_range(fingerprint.sizes)}",
        f"Percentiles of the intensities, {', '.join(f'{p:g}' for p in PERCENTILES)}:",
    ]
    for name, everywhere, inside in zip(
        fingerprint.channels, fingerprint.intensities, fingerprint.inside, strict=True
    ):
        lines.append(f"  {name}: {_numbers(everywhere)}; inside structures {_numbers(inside)}")
    lines.append(f"Structures ({fingerprint.foreground:.2%} of an image's voxels, median):")
    for value, name in fingerprint.values.items():
        own = fingerprint.volumes_ml[value]
        lines.append(
            f"  {value} {name}: in {len(own)} images, {own.min():.3g}/{np.median(own):.3g}/{own.max():.3g} ml"
        )
    lines.append(f"Memory of a training step, estimated: {plan.step_bytes / 2**30:.2f} GiB in float32")
    lines.append(f"Memory of all prepared images: {plan.image_bytes / 2**30:.3g} GiB")
    if plan.warnings:
        lines += ["Warnings:", *(f"  {warning}" for warning in plan.warnings)]
    if fingerprint.notes:
        lines += ["Look at:", *(f"  {note}" for note in fingerprint.notes)]
    return lines


def _range(values: np.ndarray) -> str:
    rows = values.min(axis=0), np.median(values, axis=0), values.max(axis=0)
    return " | ".join("/".join(f"{row[axis]:.4g}" for row in rows) for axis in range(3)) + " (x | y | z)"


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.4g}" for value in values)
