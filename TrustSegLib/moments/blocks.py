"""Element-wise work in blocks that stay in the processor's cache.

An eager chain of element-wise operations reads and writes whole activations once per operation, which costs
more than the convolutions do. Running the chain block by block keeps its intermediate values in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

#: Elements per block on a CPU: a handful of float32 blocks fit in a common 2 MB second-level cache.
CPU_BLOCK = 2**17


def blocks(*tensors: Tensor) -> Iterator[tuple[Tensor, ...]]:
    """Walk over tensors of one shape in flat blocks.

    Parameters
    ----------
    *tensors : Tensor
        Contiguous tensors of one shape, inputs and outputs alike.

    Yields
    ------
    tuple of Tensor
        One-dimensional views of the same elements of every tensor. On a GPU there is one block.
    """
    flat = [tensor.view(-1) for tensor in tensors]
    count = flat[0].numel()
    step = CPU_BLOCK if flat[0].device.type == "cpu" else max(count, 1)
    for start in range(0, count, step):
        yield tuple(tensor[start : start + step] for tensor in flat)


def working_dtype(tensor: Tensor) -> torch.dtype:
    """Precision for the inside of a block: float64 stays, everything else works in float32."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32
