"""A configuration as commented YAML, with what its data are like."""

from __future__ import annotations

import textwrap
from dataclasses import MISSING, fields

import numpy as np

from trustseg_training import presets
from trustseg_training.dataset.fingerprint import PERCENTILES, Fingerprint
from TrustSegLib.networks import ARCHITECTURES, PROPAGATIONS, TRAINED_FAMILIES

from .planning import Plan
from .settings import OBJECTIVES, FitConfiguration
from .yaml_file import to_yaml

_WIDTH = 100


def _choice(names: tuple[str, ...]) -> str:
    return f"{', '.join(names[:-1])} or {names[-1]}."


_SECTIONS: dict[str, dict[str, str]] = {
    "Data": {
        "data": "Folder with imagesTr and labelsTr, or a CSV file; relative to this file's folder.",
        "structures": "Names of labels 1, 2, ...",
        "channels": "In the order in which the network sees them.",
        "label_map": "Value in the label files: label that the network learns. Empty: as they are.",
        "regions": "Unions of labels that are judged as one, such as {whole: [1, 2]}; they choose the epoch.",
        "spacing": "x y z in mm.",
        "orientation": "Where the axes x, y and z point.",
        "normalization": "{method: zscore} with two percentiles, or {method: window} with two intensities.",
        "validation_fraction": "Share of the patients, where the data name no split.",
        "split_seed": "Of the split; runs that are compared need the same.",
        "fold": "Validate on this part, 0 to folds - 1, of all patients; null for the split as it is.",
        "folds": "",
        "train_patients": "Train with so few patients; null for all.",
        "cache": "Folder for the prepared images; null to keep all of them in memory.",
    },
    "Network": {
        "family": _choice(TRAINED_FAMILIES),
        "family_options": "Further options of the family.",
        "propagation": f"Of the variance: {_choice(PROPAGATIONS)}",
        "architecture": _choice(tuple(ARCHITECTURES)),
        "dimensions": "3, or 2 for slices.",
        "filters": "Kernels per level.",
        "normalization_layers": "instance, group, batch or none.",
        "upsampling": "transposed, linear, nearest or zero_insertion.",
        "activation": "leaky_relu or relu.",
        "dropout": "Share at the bottleneck; mc_dropout needs one.",
        "relative_variance": "Kernel variance at the start, relative to the mean square of its weights.",
        "initialize_from": "Run, bundle or model's name to start from, such as a deterministic twin.",
    },
    "Patches": {
        "patch": "x y z in voxels, multiples of 2 to the power of (levels - 1).",
        "patches_per_patient": "Random patches of an image per epoch.",
        "foreground_share": "Share of the patches that are drawn around a structure.",
        "augmentation": (
            "default; strong, which adds elastic deformation, anisotropy, bias field and gamma, of which the "
            "last three are judged by the verification suite; noise, which adds Gaussian noise to these; or "
            "none."
        ),
    },
    "Objective": {
        "objective": f"{_choice(OBJECTIVES)} auto is what fits the family.",
        "class_weights": "One per class, the background first; null for none.",
        "kl_weight": "Tempering of the divergence from the prior.",
        "kl_schedule": "constant, or linear to let it grow.",
        "logit_samples": "Even; per step, at the logits only.",
    },
    "Optimization": {
        "epochs": "",
        "batch_size": "Per device.",
        "learning_rate": "",
        "variance_learning_rate": "Of the variances of weights; null for learning_rate.",
        "weight_decay": "",
        "gradient_clip": "Largest norm; null for none.",
        "validation_every": "Epochs from one validation to the next; 1 but for families of many passes.",
        "early_stopping": "Validations without a better one; null to go on to the end.",
        "ema": "Decay of a moving average of the weights, such as 0.999; null for none.",
        "seed": "",
    },
    "Computer": {
        "precision": "32-true, bf16-mixed (half the memory, for new GPUs and CPUs) or 16-mixed.",
        "devices": "GPUs or processes per machine.",
        "num_nodes": "Machines.",
        "strategy": "Lightning's, such as ddp.",
    },
}


def settings_of_template() -> list[str]:
    """The settings that a written configuration has, in their order."""
    return [name for section in _SECTIONS.values() for name in section]


def to_text(plan: Plan, fingerprint: Fingerprint, preset: str | None) -> str:
    """Write a plan as YAML with comments.

    Parameters
    ----------
    plan : Plan
        Of `planning.choose`.
    fingerprint : Fingerprint
        Of the data, told at the top.
    preset : str or None
        Name of the preset that was used.
    """
    lines = ["# Train with: trustseg-train fit --config THIS_FILE -o RUN", "#"]
    lines += [f"# {line}".rstrip() for line in _facts(plan, fingerprint, preset)]
    for title, section in _SECTIONS.items():
        lines += ["", f"# --- {title} ---"]
        for name, meaning in section.items():
            comment = _comment(name, meaning, plan)
            lines += [f"# {line}" for line in textwrap.wrap(comment, _WIDTH)]
            lines.append(f"{name}: {to_yaml(getattr(plan.configuration, name))}")
    return "\n".join(lines) + "\n"


def _comment(name: str, meaning: str, plan: Plan) -> str:
    """The reason instead of the meaning if it was chosen; both if it is the preset's."""
    reason = plan.reasons.get(name, "")
    default = {field.name: field.default for field in fields(FitConfiguration)}[name]
    if reason == "Of the preset.":
        own = "" if default in (MISSING, getattr(plan.configuration, name)) else f" {reason}"
        return meaning + own
    return reason or meaning


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
    if fingerprint.notes:
        lines += ["Look at:", *(f"  {note}" for note in fingerprint.notes)]
    return lines


def _range(values: np.ndarray) -> str:
    rows = values.min(axis=0), np.median(values, axis=0), values.max(axis=0)
    return " | ".join("/".join(f"{row[axis]:.4g}" for row in rows) for axis in range(3)) + " (x | y | z)"


def _numbers(values: np.ndarray) -> str:
    return " ".join(f"{value:.4g}" for value in values)
