"""Weights in a safetensors file, and the network that is built from them.

PyTorch is imported where it is needed, so that models can be listed without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from TrustSegLib.bundle.description import ModelDescription
from TrustSegLib.contract import MODEL_FILE, WEIGHTS_FILE
from TrustSegLib.errors import BundleError, OptionError

if TYPE_CHECKING:
    from torch import Tensor, nn

    from TrustSegLib.networks import NetworkSpec


def write_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write named tensors, on any device, to a safetensors file."""
    from safetensors.torch import save

    # The format stores whole tensors, not views or tensors that share memory.
    apart = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in weights.items()}
    path.write_bytes(save(apart))


def parse_weights(content: bytes, where: str) -> dict[str, Tensor]:
    """Read named tensors from the content of a safetensors file.

    Raises
    ------
    BundleError
        It is not one.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load

    try:
        return load(content)
    except SafetensorError as error:
        reason = f"is not a safetensors file ({error})"
        raise BundleError(f"{where}: {WEIGHTS_FILE} {reason}; get the model again") from error


def network_with_weights(
    description: ModelDescription, weights: Mapping[str, Tensor], where: str
) -> nn.Module:
    """Build the network of a description and give it its weights.

    Parameters
    ----------
    description : ModelDescription
        Has the network's specification, family, propagation and options.
    weights : Mapping of str to Tensor
        State dict of that network.
    where : str
        Name of the bundle in errors.

    Returns
    -------
    nn.Module
        On the CPU, in evaluation mode.

    Raises
    ------
    BundleError
        The specification is not valid or does not fit the rest of the description, or the weights do not fit
        it.
    """
    network = _build_without_memory(description, where)
    _check_fit(network.state_dict(), weights, where)
    # Not `to_empty`, which imports SymPy: that takes a second. A copy each, as the file's are not aligned.
    expected = network.state_dict()
    network.load_state_dict(
        {name: tensor.to(expected[name].dtype, copy=True) for name, tensor in weights.items()}, assign=True
    )
    return network.eval()


def _build_without_memory(description: ModelDescription, where: str) -> nn.Module:
    """Build the network without values, as it may be far larger than the given weights."""
    import torch

    from TrustSegLib.networks import NetworkSpec, build
    from TrustSegLib.networks.families import Uninitialized

    try:
        spec = NetworkSpec.from_dict(dict(description.network))
        with torch.device("meta"), Uninitialized():
            network = build(
                spec, description.family, description.propagation, **dict(description.family_options)
            )
    except OptionError as error:
        raise BundleError(f"{where}: {MODEL_FILE}: {error}") from error
    _check_spec(spec, network.size_divisor, description, where)
    return network


def _check_spec(spec: NetworkSpec, size_divisor: int, description: ModelDescription, where: str) -> None:
    """Compare the network's specification with the rest of the description."""
    place = f"{where}: {MODEL_FILE}"
    channels, classes = len(description.channels), description.classes
    if spec.in_channels != channels:
        raise BundleError(f"{place}: network.in_channels is {spec.in_channels}; choose {channels}")
    if spec.classes != classes:
        raise BundleError(f"{place}: network.classes is {spec.classes}; choose {classes}, structures + 1")
    if any(length % size_divisor for length in description.patch_shape[-spec.dimensions :]):
        size = list(description.input.patch_size)
        raise BundleError(f"{place}: input.patch_size is {size}; choose multiples of {size_divisor}")


def _check_fit(expected: Mapping[str, Tensor], weights: Mapping[str, Tensor], where: str) -> None:
    """Raise a `BundleError` for the first tensor that is missing, unknown, of another shape or not finite."""
    for name in sorted(expected.keys() | weights.keys()):
        problem = _misfit(expected.get(name), weights.get(name))
        if problem:
            raise BundleError(f"{where}: {WEIGHTS_FILE}: {name!r:.200} {problem}; get the model again")


def _misfit(expected: Tensor | None, found: Tensor | None) -> str | None:
    if found is None:
        return "is missing for the network of model.json"
    if expected is None:
        return "does not belong to the network of model.json"
    if found.shape != expected.shape:
        return f"has the shape {tuple(found.shape)}, not {tuple(expected.shape)} as the network of model.json"
    if not found.isfinite().all():
        return "holds NaN or infinity"
    return None
