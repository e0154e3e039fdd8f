"""Modules without first values: those that are loaded need none."""

from __future__ import annotations

from torch.overrides import TorchFunctionMode


class Uninitialized(TorchFunctionMode):
    """Skip everything of `torch.nn.init` while modules are built.

    Without a device to draw on, PyTorch would import its compiler for it, which takes a second.
    """

    def __torch_function__(self, function, types, arguments=(), settings=None):
        settings = settings or {}
        if getattr(function, "__module__", None) == "torch.nn.init":
            return settings["tensor"] if "tensor" in settings else arguments[0]
        return function(*arguments, **settings)
