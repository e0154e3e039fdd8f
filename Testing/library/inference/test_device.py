"""A requested device is used or refused, never replaced."""

from __future__ import annotations

import pytest
import torch

from TrustSegLib.errors import OptionError
from TrustSegLib.inference import choose_device
from TrustSegLib.inference.device import place_network


@pytest.fixture
def cuda_devices(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: request.param > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: request.param)


@pytest.mark.parametrize("cuda_devices", [0], indirect=True)
@pytest.mark.parametrize("name", ["cuda", "cuda:0"])
def test_absent_cuda_is_an_error(cuda_devices: None, name: str) -> None:
    with pytest.raises(OptionError, match=rf"'{name}'.*no CUDA device"):
        choose_device(name)


@pytest.mark.parametrize("cuda_devices", [2], indirect=True)
def test_cuda_index_beyond_the_last_is_refused(cuda_devices: None) -> None:
    assert choose_device("cuda:1") == torch.device("cuda:1")
    with pytest.raises(OptionError, match="cuda:0 to cuda:1"):
        choose_device("cuda:2")


@pytest.mark.parametrize(("cuda_devices", "expected"), [(0, "cpu"), (1, "cuda:0")], indirect=["cuda_devices"])
def test_auto_takes_cuda_when_it_is_there(cuda_devices: None, expected: str) -> None:
    assert choose_device("auto") == torch.device(expected)


@pytest.mark.parametrize("name", ["gpu", "cuda:", "cuda:x", "", "cpu:0x"])
def test_unknown_device_is_refused(name: str) -> None:
    with pytest.raises(OptionError, match="not known"):
        choose_device(name)


def test_bfloat16_keeps_the_weights_of_the_caller() -> None:
    network = torch.nn.Conv3d(1, 1, 1)
    placed = place_network(network, torch.device("cpu"), "bfloat16")
    assert placed.weight.dtype == torch.bfloat16
    assert network.weight.dtype == torch.float32


def test_unknown_precision_is_refused() -> None:
    with pytest.raises(OptionError, match="float32, bfloat16"):
        place_network(torch.nn.Conv3d(1, 1, 1), torch.device("cpu"), "float16")
