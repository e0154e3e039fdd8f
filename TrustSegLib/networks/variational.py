"""Families that propagate mean and variance in one pass: ours, and SUPER-Net as published."""

from __future__ import annotations

from torch import Tensor, nn

from TrustSegLib import moments
from TrustSegLib.errors import OptionError
from TrustSegLib.layers import RandomKernels
from TrustSegLib.moments import ClassMoments, readout_exact, readout_taylor

from .layer_sets import PublishedLayers, VariationalLayers
from .network import Network, RandomWeights, tempered_moments
from .spec import FamilyOptions, NetworkSpec

_DEFAULTS = FamilyOptions()
_PUBLISHED = {
    "normalization": "none",
    "activation": "relu",
    "upsampling": "zero_insertion",
    "downsampling": "max",
}


class VariationalNetwork(RandomWeights, Network):
    """A network with Gaussian weights that propagates mean and variance in one pass.

    Parameters
    ----------
    spec : NetworkSpec
        The architecture.
    propagation : str
        ``taylor`` (first order), ``exact`` or ``correlated``.
    options : FamilyOptions
        Temperature, variance scale and class bias.
    """

    family = "vdp"

    def __init__(
        self, spec: NetworkSpec, propagation: str = "exact", options: FamilyOptions = _DEFAULTS
    ) -> None:
        super().__init__(spec, VariationalLayers(spec, propagation), options)
        self.propagation = propagation

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to mean and variance of the class probabilities."""
        readout = readout_taylor if self.propagation == "taylor" else readout_exact
        return readout(tempered_moments(self(x), self.options))


class SuperNet(RandomWeights, Network):
    """SUPER-Net: first-order moments, no normalization, no biases, prior ``N(0, I)``.

    Differs from the published code where that has errors: padded voxels have no variance (there a constant
    one, which leaves a frame), convolutions keep the size, and the divergence has all its factors. The
    published architecture is the U-Net.

    Parameters
    ----------
    spec : NetworkSpec
        With ``normalization="none"``, ``activation="relu"``, ``upsampling="zero_insertion"`` and
        ``downsampling="max"``.
    options : FamilyOptions
        Temperature, variance scale and class bias.

    Raises
    ------
    OptionError
        The specification has other values.

    References
    ----------
    Carannante et al., SUPER-Net: Trustworthy image segmentation via uncertainty propagation in
    encoder-decoder networks, Pattern Recognition 2025.
    """

    family, propagation = "supernet", "taylor"

    def __init__(self, spec: NetworkSpec, options: FamilyOptions = _DEFAULTS) -> None:
        for key, value in _PUBLISHED.items():
            if (found := getattr(spec, key)) != value:
                raise OptionError(f"network: {key} is {found!r}; supernet as published needs {value!r}")
        super().__init__(spec, PublishedLayers(spec), options)
        self._initialize_as_published()

    def _initialize_as_published(self) -> None:
        """Means from a truncated normal; larger variances in the first two steps up and in the head."""
        wide = {layer for part in (*self.body.up[:2], self.body.head) for layer in part.modules()}
        for layer in self.random_layers():
            nn.init.trunc_normal_(layer.weight, std=0.1, a=-0.2, b=0.2)
            nn.init.uniform_(layer.rho, *((-4.6, -2.2) if layer in wide else (-12.0, -4.6)))

    def class_moments(self, x: Tensor) -> ClassMoments:
        """Image (B, C, D, H, W) to first-order mean and variance of the class probabilities."""
        return readout_taylor(tempered_moments(self(x), self.options))

    def kl_divergence(self) -> Tensor:
        """Divergence of the weights from ``N(0, I)``, in nats."""
        return sum(_divergence_from_unit(layer) for layer in self.random_layers())


def _divergence_from_unit(layer: RandomKernels) -> Tensor:
    return moments.gaussian_divergence(layer.kernels(), layer.weight_variance, 1.0)
