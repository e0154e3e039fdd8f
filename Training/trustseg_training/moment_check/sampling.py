"""Moments over sampled weight sets, the reference for the analytic ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from TrustSegLib.errors import OptionError
from TrustSegLib.layers import GroupNorm, RandomKernels
from TrustSegLib.moments import Gaussian, LogitMoments, carry
from TrustSegLib.networks import build
from TrustSegLib.report.files import write_atomically

#: Images that pass at a time: more do not fit into a processor's cache.
BATCH = 2

#: Variances below are none: of padded or dead channels.
NO_VARIANCE = 1e-12

OUTPUTS = ("logits", "contrasts", "probabilities")
_PARTS = ("mean", "squares")


class Truth:
    """Running moments of outputs and layers over weight sets.

    Even and odd sets are summed apart: the difference of the halves is the error of the truth itself.

    Parameters
    ----------
    network : nn.Module
        Of the family ``vdp``, in evaluation mode.
    images : Tensor
        (N, C, D, H, W).
    layer_images : int
        Number of images, the first ones, on which every layer is followed; the outputs are on all.
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
                parts.append(self._logits(self.images[: self.layer_images]))
        rest = self.images[self.layer_images :]
        parts += [self._logits(batch) for batch in rest.split(BATCH) if len(batch)]
        logits = torch.cat(parts)
        self._add("logits", half, logits)
        self._add("contrasts", half, logits[:, 1:] - logits[:, :1])
        self._add("probabilities", half, torch.softmax(logits, dim=1))
        self.drawn += 1

    def _logits(self, images: Tensor) -> Tensor:
        # One image alone falls into a convolution that is ten times slower on a processor.
        alone = len(images) == 1
        return self.weights.twin(images.expand(2, *images.shape[1:]) if alone else images)[: len(images)]

    @contextmanager
    def _followed(self, half: int) -> Iterator[None]:
        def following(name: str) -> Callable[..., None]:
            return lambda _, __, output: self._add(name, half, output[: self.layer_images])

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
        write_atomically(path, save(tensors, {"drawn": str(self.drawn), "key": key}))

    def load(self, path: Path, key: str) -> None:
        """Continue from what `save` wrote.

        Raises
        ------
        OptionError
            The file is damaged, or the sums are of another model, of other images or of another seed.
        """
        try:
            with safe_open(path, "pt", device=str(self.images.device)) as file:
                metadata = file.metadata() or {}
                tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (OSError, SafetensorError) as error:
            raise OptionError(f"{path}: damaged ({error}); remove it to start over") from error
        if metadata.get("key") != key:
            raise OptionError(f"{path}: sums of another model, seed or crop; choose another folder")
        self.drawn = int(metadata["drawn"])
        counts = (self.drawn + 1) // 2, self.drawn // 2
        names = dict.fromkeys(name.rsplit("/", 2)[0] for name in tensors)
        for name in names:
            self._sums[name] = tuple(
                Sums(count, *(tensors[f"{name}/{half}/{part}"] for part in _PARTS))
                for half, count in enumerate(counts)
            )


#: Weight sets of one seed before those of the next begin. Torch's generator takes 32 bits of a seed only.
_SETS_PER_SEED = 10**6


class DrawnWeights:
    """The deterministic twin of a variational network, filled with ``W_k ~ N(m_k, s_k I)``.

    Normalization acts on each set's own activations, as it would in a network that was trained to these
    weights.

    Parameters
    ----------
    network : nn.Module
        Of the family ``vdp``.

    Attributes
    ----------
    twin : nn.Module
        Gives logits (B, K, D, H, W) of the set that was drawn last, and of the means before the first.

    Raises
    ------
    OptionError
        Another family: its moments are not those of Gaussian weights.
    """

    def __init__(self, network: nn.Module) -> None:
        if getattr(network, "family", None) != "vdp":
            family = getattr(network, "family", type(network).__name__)
            raise OptionError(f"family {family}: has no moments of Gaussian weights; choose a vdp model")
        with torch.random.fork_rng(devices=[]):
            self.twin = build(network.spec, "deterministic").eval()
        state = network.state_dict()
        self.twin.load_state_dict({name: state[name].clone() for name in self.twin.state_dict()})
        self.twin.requires_grad_(False).to(next(network.parameters()).device)
        layers = [(n, m) for n, m in network.named_modules() if isinstance(m, RandomKernels)]
        self._kernels = [(self.twin.get_submodule(name).weight, *_gaussian(layer)) for name, layer in layers]

    def draw(self, number: int, seed: int = 0) -> None:
        """Fill in weight set ``number``, the same one whenever it is asked for."""
        generator = torch.Generator().manual_seed(seed * _SETS_PER_SEED + number)
        for weight, mean, deviation in self._kernels:
            noise = torch.randn(mean.shape, generator=generator).to(mean)
            torch.addcmul(mean, deviation, noise, out=weight)


def _gaussian(layer: RandomKernels) -> tuple[Tensor, Tensor]:
    """Means, and standard deviations in a shape that fits them."""
    shape = [1] * layer.weight.dim()
    shape[layer.kernel_axis] = -1
    return layer.weight.detach().clone(), layer.weight_variance.detach().sqrt().view(shape)


def layer_pairs(network: nn.Module) -> dict[str, str]:
    """Layers of a variational network whose output is moments, and the layers of the twin that sample them.

    Normalization and activation are two layers in the twin where they are one here.
    """
    pairs = {}
    for name, module in network.named_modules():
        container = isinstance(module, nn.ModuleList | nn.Sequential)  # may be empty
        if container or isinstance(module, nn.Identity) or any(True for _ in module.children()):
            continue
        fused = isinstance(module, GroupNorm) and module.rectifier is not None
        before, _, last = name.rpartition(".")
        pairs[name] = f"{before}.{int(last) + 1}" if fused else name
    return pairs


def as_gaussian(output: Gaussian | LogitMoments) -> Gaussian:
    """Mean and variance of a layer's output, as copies: later layers may write over it."""
    if isinstance(output, LogitMoments):
        own = torch.diagonal(output.covariance, dim1=1, dim2=2).movedim(-1, 1)
        return Gaussian(output.mean.clone(), own.clone())
    return carry(output, Gaussian(output.mean.clone(), output.variance.clone()))


class Sums:
    """Mean and sum of squared deviations of all tensors that were added.

    Parameters
    ----------
    count : int
        Tensors added so far.
    mean, squares : Tensor
        float64, their mean and ``sum (x - mean)^2``.

    References
    ----------
    Welford, Note on a method for calculating corrected sums of squares and products, Technometrics 1962.
    Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for computing sample variances, 1979.
    """

    def __init__(self, count: int, mean: Tensor, squares: Tensor) -> None:
        self.count, self.mean, self.squares = count, mean, squares

    @classmethod
    def empty(cls, like: Tensor) -> Sums:
        """Nothing added yet."""
        zeros = [torch.zeros(like.shape, dtype=torch.float64, device=like.device) for _ in range(2)]
        return cls(0, *zeros)

    def add(self, x: Tensor) -> None:
        """Take one more tensor."""
        self.count += 1
        before = x.double() - self.mean  # a copy: x may be double itself
        self.mean.add_(before, alpha=1 / self.count)
        # x - new mean = (x - old mean) (n - 1) / n
        self.squares.addcmul_(before, before, value=(self.count - 1) / self.count)

    def merged(self, other: Sums) -> Sums:
        """As if the tensors of both had been added to one."""
        count = self.count + other.count
        if not count:
            return Sums(0, self.mean, self.squares)
        difference = other.mean - self.mean
        mean = self.mean + difference * (other.count / count)
        between = difference.square() * (self.count * other.count / count)
        return Sums(count, mean, self.squares + other.squares + between)

    @property
    def variance(self) -> Tensor:
        """Unbiased; of two tensors or more."""
        return self.squares / (self.count - 1)
