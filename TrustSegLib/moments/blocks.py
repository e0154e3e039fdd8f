"""Element-wise operations in blocks that stay in the processor's cache.

An eager chain of element-wise operations reads and writes whole activations once per operation, which takes
longer than the convolutions. Running the chain block by block keeps its intermediate values in the cache.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
from torch import Tensor

#: Elements per block on a CPU: a handful of float32 blocks fit in a common 2 MB second-level cache.
CPU_BLOCK = 2**17


def blocks(example: Tensor) -> Iterator[tuple[slice, slice]]:
    """Iterate over a matrix in blocks of about `CPU_BLOCK` elements; on a GPU there is one block.

    Parameters
    ----------
    example : Tensor
        (rows, columns); one row is one channel of one image.

    Yields
    ------
    tuple of slice
        Rows and columns of the block.
    """
    rows, columns = example.shape
    size = CPU_BLOCK if example.device.type == "cpu" else max(example.numel(), 1)
    height, width = max(1, size // max(columns, 1)), min(columns, size)
    for top in range(0, rows, height):
        for left in range(0, columns, width):
            yield slice(top, top + height), slice(left, left + width)


def working_dtype(tensor: Tensor) -> torch.dtype:
    """Working precision of a block: float64 stays, everything else is computed in float32."""
    return torch.float64 if tensor.dtype == torch.float64 else torch.float32


def as_rows(tensor: Tensor) -> Tensor:
    """View (B, C, ...) as (B C, voxels)."""
    return tensor.contiguous().view(tensor.shape[0] * tensor.shape[1], -1)


@contextmanager
def written_to(targets: Sequence[Tensor], like: Tensor) -> Iterator[Sequence[Tensor]]:
    """Yield tensors in the working precision for the results, which are copied to the targets at the end.

    Targets that have this precision are yielded themselves.

    Parameters
    ----------
    targets : sequence of Tensor
        Blocks of the outputs.
    like : Tensor
        A block in the working precision.

    Yields
    ------
    sequence of Tensor
        One for each target.
    """
    if targets[0].dtype == like.dtype:
        yield targets
        return
    work = [torch.empty_like(like) for _ in targets]
    yield work
    for target, result in zip(targets, work, strict=True):
        target.copy_(result)
