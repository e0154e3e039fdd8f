"""The architecture that a specification names."""

from __future__ import annotations

from torch import nn

from .fcn import FCN
from .layer_set import LayerSet
from .spec import NetworkSpec
from .unet import UNet
from .vnet import VNet

_ARCHITECTURES = {"unet": UNet, "vnet": VNet, "fcn": FCN}


def build_body(spec: NetworkSpec, layers: LayerSet) -> nn.Module:
    """Image to logits, of the layers of one edition."""
    return _ARCHITECTURES[spec.architecture](spec, layers)
