"""Read what a run keeps in its checkpoints."""

from __future__ import annotations

import zipfile
from pathlib import Path
from typing import Any

import torch

from TrustSegLib.errors import OptionError

from .callbacks import BEST


def load_weights(run: Path, checkpoint: str = BEST) -> dict[str, torch.Tensor]:
    """The network's weights from a checkpoint of a run.

    Raises
    ------
    OptionError
        The run has no such checkpoint, or a damaged one.
    """
    weights = read_checkpoint(run / checkpoint)["state_dict"]
    return {name.removeprefix("network."): value for name, value in weights.items()}


def read_checkpoint(path: Path) -> dict[str, Any]:
    """Content of a checkpoint: data, never code.

    Raises
    ------
    OptionError
        It is missing or damaged.
    """
    if not path.is_file():
        raise OptionError(f"{path}: not found; train with `trustseg-train fit` first")
    damaged = OptionError(f"{path}: not a checkpoint of a run, or damaged; train anew")
    if not zipfile.is_zipfile(path):
        raise damaged
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, EOFError, RuntimeError) as error:
        raise damaged from error
    if not isinstance(state, dict) or not {"state_dict", "epoch", "callbacks"} <= set(state):
        raise damaged
    return state
