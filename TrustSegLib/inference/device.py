"""Device and precision of the network."""

from __future__ import annotations

import copy
import re

import torch

from TrustSegLib.errors import OptionError

_DEVICE_PATTERN = re.compile(r"auto|cpu|cuda(:\d+)?")
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}


def choose_device(name: str) -> torch.device:
    """Device of a name; a device that is requested by name is never replaced by another.

    Parameters
    ----------
    name : str
        `auto` (the first CUDA device if there is one, otherwise the CPU), `cpu`, `cuda` or `cuda:N`.

    Raises
    ------
    OptionError
        When the name is not one of these, or that CUDA device is not there.
    """
    check_device_name(name)
    if name == "auto":
        return torch.device("cuda:0" if torch.cuda.is_available() else "cpu")
    device = torch.device(name)
    if device.type == "cuda":
        _check_cuda(name, device.index or 0)
    return device


def check_device_name(name: str) -> None:
    """Raise OptionError when no device has such a name, whether or not the machine has it."""
    if _DEVICE_PATTERN.fullmatch(name) is None:
        raise OptionError(f"device '{name}' is not known; use auto, cpu, cuda or cuda:N")


def _check_cuda(name: str, index: int) -> None:
    if not torch.cuda.is_available():
        found = f"PyTorch {torch.__version__} finds no CUDA device"
        raise OptionError(f"device '{name}' is not there ({found}); use auto or cpu")
    count = torch.cuda.device_count()
    if index >= count:
        raise OptionError(f"device '{name}' is not there; this machine has cuda:0 to cuda:{count - 1}")


def device_title(device: torch.device) -> str:
    """Device with the name of its hardware where PyTorch has one, for the provenance."""
    return f"{device} ({torch.cuda.get_device_name(device)})" if device.type == "cuda" else str(device)


def place_network(network: torch.nn.Module, device: torch.device, precision: str) -> torch.nn.Module:
    """Put a network on a device; for any precision but float32 a copy, so that the caller's weights stay.

    Raises
    ------
    OptionError
        When the precision is not known.
    """
    check_precision(precision)
    if precision != "float32":
        network = copy.deepcopy(network).to(PRECISIONS[precision])
    return network.to(device)


def check_precision(precision: str) -> None:
    """Raise OptionError when the precision is not known."""
    if precision not in PRECISIONS:
        raise OptionError(f"precision '{precision}' is not known; use one of: {', '.join(PRECISIONS)}")
