"""`trustseg-train moments` from a model and a data set to tables and a picture."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import nn
from tqdm import tqdm

from trustseg_training.corruptions import CLEAN
from trustseg_training.evaluation import choose_cases, load_evaluated_model
from trustseg_training.formatting import ratio_band
from trustseg_training.training import BEST
from TrustSegLib.contract import MOMENTS_SCHEMA
from TrustSegLib.errors import OptionError, output_error
from TrustSegLib.inference.device import choose_device
from TrustSegLib.networks import PROPAGATIONS

from .agreement import FEWEST_SAMPLES
from .crops import Crops, check_shape, read_crops
from .measures import measure_modes
from .report import draw_check, write_tables
from .sampling import Truth

SUMS = "sums.safetensors"

#: Between two savings of the sums.
SAVE_SECONDS = 120.0

#: Raised when the sums change their meaning.
VERSION = 2


@dataclass(frozen=True)
class MomentCheck:
    """What is sampled, and how often.

    Attributes
    ----------
    images, samples : int
        Crops, one a patient, and weight sets.
    crop : tuple of int
        x y z, voxels on the model's grid.
    modes, conditions : tuple of str
        Propagation modes; ``clean`` and corruptions, in turns over the images.
    seed : int
        Of weight sets and corruptions.
    layer_images : int
        Images on which every layer is compared.
    split, device : str
        As for the other commands.
    checkpoint : str
        Of a run, `training.BEST` or `training.LAST`.
    minutes : float or None
        Stop sampling after so long, and report what is there.
    """

    images: int = 20
    samples: int = 10_000
    crop: tuple[int, int, int] = (24, 32, 24)
    modes: tuple[str, ...] = PROPAGATIONS
    conditions: tuple[str, ...] = (CLEAN, "gaussian-8dB")
    seed: int = 0
    layer_images: int = 2
    split: str = "val"
    device: str = "cpu"
    checkpoint: str = BEST
    minutes: float | None = None

    def __post_init__(self) -> None:
        for name, least in (("images", 1), ("samples", FEWEST_SAMPLES), ("layer_images", 0), ("seed", 0)):
            if (value := getattr(self, name)) < least:
                raise OptionError(f"{name} {value}: give a whole number of at least {least}")
        if self.minutes is not None and not self.minutes > 0:
            raise OptionError(f"minutes {self.minutes:g}: give a number above 0")


def check_moments(model: Path, data: Path, output: Path, check: MomentCheck) -> dict[str, Any]:
    """Sample a trained network's weights, and compare; called again, it continues where it stopped.

    Parameters
    ----------
    model : Path
        Run folder, bundle or name of a bundled model, of the family ``vdp``.
    data : Path
        Data set with labels; the split's patients trained nothing.
    output : Path
        Folder for the sums, ``moments.json``, ``moments.csv``, ``moments.md`` and ``moments.png``.
    check : MomentCheck
        What is sampled. Modes, samples and minutes may change from call to call; what is there stays.

    Returns
    -------
    dict
        Content of ``moments.json``.

    Raises
    ------
    TrustSegError
        Model, data or options cannot be used, the folder holds another check, or it cannot be written.
    """
    evaluated = load_evaluated_model(model, check.checkpoint)
    device = choose_device(check.device)
    network = evaluated.model.network().to(device)
    shape = check.crop[::-1]
    check_shape(shape, network.size_divisor)
    cases = choose_cases(evaluated, data, check.split)[: check.images]
    files = [case.identity() for case in cases]
    crops = read_crops(evaluated, cases, data, check.conditions, shape, check.seed)
    crops = Crops(crops.images.to(device), crops.cases, crops.conditions)
    truth = Truth(network, crops.images, check.layer_images, check.seed)
    described = [VERSION, evaluated.model.sha256, check.seed, check.crop, crops.cases, crops.conditions]
    key = json.dumps([*described, truth.layer_images, files])
    _sample(truth, check, _made(output) / SUMS, key)
    return _report(network, truth, crops, check, output, evaluated.name, evaluated.model.sha256)


def _sample(truth: Truth, check: MomentCheck, path: Path, key: str) -> None:
    """Draw what is missing; the sums are saved between two weight sets, so that a stop leaves them whole."""
    if path.is_file():
        truth.load(path, key)
    begun = saved = time.monotonic()
    with tqdm(
        total=max(check.samples, truth.drawn), initial=truth.drawn, desc="sampling", unit="set", disable=None
    ) as bar:
        while truth.drawn < check.samples:
            truth.draw()
            bar.update()
            now = time.monotonic()
            over = check.minutes is not None and now - begun > 60 * check.minutes
            if now - saved > SAVE_SECONDS or over or truth.drawn == check.samples:
                truth.save(path, key)
                saved = now
            if over and truth.drawn >= FEWEST_SAMPLES:
                break


def _report(
    network: nn.Module,
    truth: Truth,
    crops: Crops,
    check: MomentCheck,
    output: Path,
    name: str,
    sha256: str,
) -> dict[str, Any]:
    numbers = {
        "schema": MOMENTS_SCHEMA,
        "model": name,
        "sha256": sha256,
        "samples": truth.drawn,
        "crop": list(check.crop),
        "seed": check.seed,
        "layer_images": truth.layer_images,
        "cases": list(crops.cases),
        "conditions": list(crops.conditions),
        "torch": torch.__version__,
        **measure_modes(network, truth, crops, check.modes),
    }
    write_tables(numbers, output)
    draw_check(network, truth, crops, check.modes, numbers, output / "moments.png")
    return numbers


def _made(folder: Path) -> Path:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise output_error(folder, error, "choose another", "cannot be made") from error
    return folder


def lines_of(numbers: dict[str, Any], modes: Sequence[str] | None = None) -> list[str]:
    """One line for every mode, for the terminal."""
    lines = []
    for mode in modes or numbers["modes"]:
        found = numbers["modes"][mode]
        ratio, scale = found["after_scale"]["logits"], found["variance_scale"]
        lines.append(
            f"{mode}: Spearman {found['logits']['spearman']:.3f}, variance ratio after the scale "
            f"{scale:.3g}: {ratio_band(ratio)}, "
            f"mean error {found['logits']['mean_error']:.3f} sd, argmax {found['argmax_agreement']:.4f}"
        )
    return lines
