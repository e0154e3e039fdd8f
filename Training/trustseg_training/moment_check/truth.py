"""Moments over sampled weight sets: what the analytic ones are held against."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from TrustSegLib.errors import OptionError, OutputError

from .drawn_weights import DrawnWeights, layer_pairs
from .sums import Sums

#: Images that pass at a time: more do not fit into a processor's cache.
BATCH = 2

OUTPUTS = ("logits", "contrasts", "probabilities")
_PARTS = ("mean", "squares")


class Truth:
    """Running moments of outputs and layers over weight sets.

    Even and odd sets are summed apart: what the halves differ by tells the error of the truth itself.

    Parameters
    ----------
    network : nn.Module
        Of the family ``vdp``, in evaluation mode.
    images : Tensor
        (N, C, D, H, W).
    layer_images : int
        The layers are followed on so many of the images, the first ones; the outputs on all.
    seed : int
        Of the weight sets.

    Attributes
    ----------
    drawn : int
        Weight sets so far.
    """

    def __init__(self, network: nn.Module, images: Tensor, layer_images: int = 2, seed: int = 0) -> None:
        layer_images = min(layer_images, len(images))
        self.weights = DrawnWeights(network)
        if network.spec.dimensions == 3:  # a third faster on a processor: nothing is reordered on the way
            images = images.contiguous(memory_format=torch.channels_last_3d)
            self.weights.twin.to(memory_format=torch.channels_last_3d)
        self.images, self.layer_images, self.seed = images, layer_images, seed
        self.pairs = layer_pairs(network) if layer_images else {}
        self.drawn = 0
        self._sums: dict[str, tuple[Sums, Sums]] = {}

    @torch.no_grad()
    def draw(self) -> None:
        """Take the next weight set."""
        self.weights.draw(self.drawn, self.seed)
        half = self.drawn % 2
        parts = []
        if self.layer_images:
            with self._followed(half):
                parts.append(self._answer(self.images[: self.layer_images]))
        rest = self.images[self.layer_images :]
        parts += [self._answer(batch) for batch in rest.split(BATCH) if len(batch)]
        logits = torch.cat(parts)
        self._add("logits", half, logits)
        self._add("contrasts", half, logits[:, 1:] - logits[:, :1])
        self._add("probabilities", half, torch.softmax(logits, dim=1))
        self.drawn += 1

    def _answer(self, images: Tensor) -> Tensor:
        # One image alone falls into a convolution that is ten times slower on a processor.
        alone = len(images) == 1
        return self.weights.twin(images.expand(2, *images.shape[1:]) if alone else images)[: len(images)]

    @contextmanager
    def _followed(self, half: int) -> Iterator[None]:
        def following(name: str) -> Callable[..., None]:
            return lambda _, __, answer: self._add(name, half, answer[: self.layer_images])

        twin = self.weights.twin
        hooks = [
            twin.get_submodule(sampled).register_forward_hook(following(name))
            for name, sampled in self.pairs.items()
        ]
        try:
            yield
        finally:
            for hook in hooks:
                hook.remove()

    def _add(self, name: str, half: int, values: Tensor) -> None:
        if name not in self._sums:
            self._sums[name] = (Sums.empty(values), Sums.empty(values))
        self._sums[name][half].add(values)

    def of(self, name: str) -> Sums:
        """Moments of one of `OUTPUTS` or of a layer over all sets so far."""
        return self._sums[name][0].merged(self._sums[name][1])

    def halves(self, name: str) -> tuple[Sums, Sums]:
        """Moments over the even and over the odd sets."""
        return self._sums[name]

    def save(self, path: Path, key: str) -> None:
        """Write the sums, whole or not at all.

        Raises
        ------
        OutputError
            The file cannot be written.
        """
        tensors = {
            f"{name}/{half}/{part}": getattr(sums, part)
            for name, halves in self._sums.items()
            for half, sums in enumerate(halves)
            for part in _PARTS
        }
        temporary = path.with_name(f".{path.name}.new")
        try:
            save_file(tensors, temporary, {"drawn": str(self.drawn), "key": key})
            temporary.replace(path)
        except (OSError, SafetensorError) as error:
            temporary.unlink(missing_ok=True)
            raise OutputError(f"{path}: cannot be written ({error}); make room, then go on") from error

    def load(self, path: Path, key: str) -> None:
        """Go on from what `save` wrote.

        Raises
        ------
        OptionError
            The file is damaged, or the sums are of another model, of other images or of another seed.
        """
        try:
            with safe_open(path, "pt", device=str(self.images.device)) as file:
                told = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise OptionError(f"{path}: damaged ({error}); remove it to begin anew") from error
        if told.get("key") != key:
            raise OptionError(f"{path}: sums of another model, seed or crop; choose another folder")
        self.drawn = int(told["drawn"])
        counts = (self.drawn + 1) // 2, self.drawn // 2
        names = dict.fromkeys(name.rsplit("/", 2)[0] for name in tensors)
        for name in names:
            self._sums[name] = tuple(
                Sums(count, *(tensors[f"{name}/{half}/{part}"] for part in _PARTS))
                for half, count in enumerate(counts)
            )
