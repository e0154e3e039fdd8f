"""The front door, `import TrustSegLib as ts`, as scripts and notebooks use it."""

from __future__ import annotations

import ast
import contextlib
import doctest
import io
import json
import re
import shutil
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import nibabel
import numpy as np
import pytest
import SimpleITK as sitk
import torch
from source_tree import ROOT
from torch import nn

import TrustSegLib as ts
from TrustSegLib import api, networks
from TrustSegLib.cli import main
from TrustSegLib.errors import BundleError, ImageError, OptionError
from TrustSegLib.inference import Cancelled, SegmentationResult, SegmentOptions, Uncalibrated
from TrustSegLib.report import report_json

SAMPLE = ROOT / "TrustSeg/Resources/SampleData/hippocampus_223.nii.gz"
MODEL = "hippocampus-t1"
PAGE = ROOT / "docs" / "python.md"
EXAMPLES = re.findall(
    r"^```python\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", PAGE.read_text("utf-8"), re.M | re.S
)


@pytest.fixture(scope="module")
def volume() -> ts.Volume:
    return ts.read_volume(SAMPLE)


@pytest.fixture(scope="module")
def model():
    return ts.load_model(MODEL)


@pytest.fixture(scope="module")
def result(model) -> SegmentationResult:
    return ts.segment(SAMPLE, model, device="cpu")


@pytest.fixture
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder as the examples expect it: an image, a folder of images with a damaged one, another model."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRUSTSEG_MODELS", str(tmp_path / "added"))
    (tmp_path / "scans").mkdir()
    for name in ("scan.nii.gz", "scans/patient1.nii.gz", "scans/patient2.nii.gz"):
        shutil.copy(SAMPLE, tmp_path / name)
    (tmp_path / "scans/patient2.nii.gz").write_bytes(SAMPLE.read_bytes()[:2000])
    shutil.copytree(ROOT / "TrustSegLib/models" / MODEL, tmp_path / "models/my-model")
    return tmp_path


# Import


def test_import_loads_no_heavy_package():
    code = "import sys, TrustSegLib as ts; dir(ts); print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split()) - set(sys.stdlib_module_names)
    assert "TrustSegLib" in loaded
    assert not loaded & {"torch", "numpy", "SimpleITK", "scipy", "nibabel", "matplotlib", "safetensors"}


def test_every_public_name_is_there_and_listed():
    assert dir(ts) == sorted(ts.__all__)
    assert all(getattr(ts, name) is not None for name in ts.__all__)


def test_editors_see_the_names_where_they_are_imported_from():
    """What is imported for type checkers is what is imported when a name is used."""
    tree = ast.parse(Path(ts.__file__).read_text("utf-8"))
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {alias.name: node.module for node in block.body for alias in node.names}
    subpackages = {name for name, module in seen.items() if module == "TrustSegLib"}
    assert {*seen, "__version__"} == set(ts.__all__)
    assert {name: seen[name] for name in seen if name not in subpackages} == ts._MODULES


def test_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="has no attribute 'segmentation'"):
        ts.segmentation  # noqa: B018


# Segment


def test_result_equals_the_command_line(result, tmp_path):
    options = ("--model", "hippocampus-t1", "--device", "cpu", "--quiet")
    assert main(["segment", str(SAMPLE), "-o", str(tmp_path / "out"), *options]) == 0
    written = json.loads((tmp_path / "out/report.json").read_text("utf-8"))
    own = json.loads(json.dumps(report_json(result, SAMPLE, "none")))
    for report in (written, own):
        del report["provenance"]["times"], report["provenance"]["command"]
    # Of the file, and of the command's option.
    del written["provenance"]["image_sha256"], written["provenance"]["seed"]
    assert own == written
    for name, volume in (("mask", result.labels), ("uncertainty", result.maps["error_probability"])):
        stored = ts.Volume.from_sitk(sitk.ReadImage(str(tmp_path / f"out/{name}.nii.gz")))
        assert np.array_equal(stored.array, volume.array)
        assert stored.same_grid(volume)


def test_result_is_shown_as_its_figures(result):
    shown = repr(result)
    assert shown.startswith(
        "SegmentationResult(model='hippocampus-t1', structures=(Anterior hippocampus: 1.77"
    )
    assert shown.endswith("warnings=0)")
    assert len(shown) < 300


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """What inference is asked for, (volume, model, options), instead of a segmentation."""
    calls: list[tuple] = []
    monkeypatch.setattr(api.inference, "segment", lambda *call, **callbacks: calls.append(call))
    return calls


def test_every_kind_of_image_is_the_volume_of_the_file(asked, model, volume):
    geometry = {"spacing": volume.spacing, "orientation": volume.orientation, "origin": volume.origin}
    for image in (str(SAMPLE), volume, volume.to_sitk()):
        ts.segment(image, model)
    for array in (volume.array[0], volume.array, volume.array.astype(">f4")):
        ts.segment(array, model, **geometry)
    assert len(asked) == 6
    for found, *_ in asked:
        assert found.same_grid(volume)
        assert found.array.dtype == volume.array.dtype
        np.testing.assert_array_equal(found.array, volume.array)


def test_array_with_its_geometry_equals_the_file(model, result, volume):
    geometry = {"spacing": volume.spacing, "orientation": volume.orientation, "origin": volume.origin}
    found = ts.segment(volume.array[0], model, device="cpu", **geometry)
    assert found.labels.same_grid(result.labels)
    assert np.array_equal(found.labels.array, result.labels.array)
    assert np.array_equal(found.maps["error_probability"].array, result.maps["error_probability"].array)
    assert (found.structures, found.regions) == (result.structures, result.regions)


@pytest.mark.parametrize("axes", ["LPS", "PSR"])
def test_array_with_the_orientation_of_nibabel_equals_the_file(model, result, axes):
    image = nibabel.load(SAMPLE)
    turn = nibabel.orientations.ornt_transform(
        nibabel.io_orientation(image.affine), nibabel.orientations.axcodes2ornt(axes)
    )
    turned = image.as_reoriented(turn)
    found = ts.segment(
        np.asarray(turned.dataobj).T,
        model,
        device="cpu",
        spacing=turned.header.get_zooms(),
        orientation="".join(nibabel.aff2axcodes(turned.affine)),
        origin=turned.affine[:3, 3] * (-1, -1, 1),
    )
    assert found.labels.orientation == axes
    back = nibabel.Nifti1Image(found.labels.array[0].T, turned.affine).as_reoriented(
        nibabel.orientations.ornt_transform(
            nibabel.orientations.axcodes2ornt(axes), nibabel.io_orientation(image.affine)
        )
    )
    assert np.array_equal(np.asarray(back.dataobj).T, result.labels.array[0])
    for one, other in zip(found.regions, result.regions, strict=True):
        np.testing.assert_allclose(one.position_ras_mm, other.position_ras_mm, atol=1e-4)


def test_model_is_named_by_name_or_path_or_is_loaded(asked, model, volume, tmp_path):
    folder = shutil.copytree(ROOT / "TrustSegLib/models" / MODEL, tmp_path / "my-model")
    for given in (MODEL, folder, str(folder), model, Uncalibrated(model)):
        ts.segment(volume, given)
    assert [found.sha256 for _, found, _ in asked] == 5 * [model.sha256]


def test_options_are_those_of_segment_options(asked, model, volume):
    given = {
        "device": torch.device("cpu"),
        "maps": "entropy",
        "roi": np.array([0, 30, 10, 50, 5, 40]),
        "batch_size": 1,
        "overlap": 0,
        "precision": "bfloat16",
        "memory_gb": 1,
    }
    ts.segment(volume, model, **given)
    roi = ts.Roi((0, 30, 10, 50, 5, 40))
    assert asked[0][2] == SegmentOptions("cpu", ("entropy",), roi, 1, 0.0, "bfloat16", 1.0)
    assert set(given) == {field.name for field in fields(SegmentOptions)}


def test_defaults_are_those_of_segment_options(asked, model, volume):
    ts.segment(volume, model)
    assert asked[0][2] == SegmentOptions()


def test_region_of_interest_is_taken_as_on_the_command_line(asked, model, volume):
    for roi in ("index:0,5,0,5,0,5", ts.Roi((0, 5, 0, 5, 0, 5), "index"), None):
        ts.segment(volume, model, roi=roi)
    assert [str(options.roi) for *_, options in asked] == [*2 * ["index:0,5,0,5,0,5"], "None"]


def test_progress_is_reported_and_work_is_cancelled(model, volume):
    stages = []
    ts.segment(volume, model, progress=lambda progress: stages.append(progress.stage))
    assert list(dict.fromkeys(stages)) == ["prepare", "predict", "restore", "measure"]
    with pytest.raises(Cancelled):
        ts.segment(volume, model, cancelled=lambda: True)


ARRAY = np.zeros((8, 8, 8))
GEOMETRY = {"spacing": (1, 1, 1), "orientation": "RAS"}
UNUSABLE = {
    "list of images": ([SAMPLE], {}, TypeError, "an image is a path, .* not list"),
    "tensor": (torch.zeros(8, 8, 8), {}, TypeError, "NumPy array .* not Tensor"),
    "nibabel image": (nibabel.Nifti1Image(ARRAY, np.eye(4)), {}, TypeError, "an image is a path"),
    "array without geometry": (ARRAY, {}, TypeError, "give spacing and orientation as well"),
    "array without orientation": (ARRAY, {"spacing": (1, 1, 1)}, TypeError, 'give orientation .*"RAS"'),
    "file with a spacing": (SAMPLE, {"spacing": (1, 1, 1)}, TypeError, "this image has its own"),
    "unknown orientation": (ARRAY, {**GEOMETRY, "orientation": "XYZ"}, OptionError, "such as RAS"),
    "orientation in small letters": (ARRAY, {**GEOMETRY, "orientation": "ras"}, OptionError, "such as RAS"),
    "one spacing": (ARRAY, {**GEOMETRY, "spacing": 1.0}, ValueError, "spacing is three numbers .* not 1.0"),
    "negative spacing": (ARRAY, {**GEOMETRY, "spacing": (1, 1, -1)}, ValueError, "spacing is positive"),
    "one slice": (ARRAY[0], GEOMETRY, ValueError, r"\(D, H, W\) or \(C, D, H, W\), .*\(8, 8\)"),
    "complex numbers": (ARRAY * 1j, GEOMETRY, TypeError, "voxels are real numbers, not complex128"),
    "SimpleITK slice": (sitk.Image(8, 8, sitk.sitkUInt8), {}, ImageError, "2D SimpleITK image; give a 3D"),
    "missing file": ("nowhere.nii.gz", {}, ImageError, "no such file"),
    "too many channels": (np.zeros((2, 8, 8, 8)), GEOMETRY, ImageError, "2 channels, .* expects 1"),
    "misspelled option": (SAMPLE, {"map": "entropy"}, TypeError, "no option 'map'; did you mean maps"),
    "unknown option": (SAMPLE, {"verbose": True}, TypeError, "use any of: device, maps"),
    "unknown map": (SAMPLE, {"maps": "variance"}, OptionError, "use any of: error_probability"),
    "map that is no name": (SAMPLE, {"maps": [1]}, TypeError, "maps is a name such as 'entropy'"),
    "device that is no name": (SAMPLE, {"device": 0}, TypeError, "device is a name, not int"),
    "precision that is no name": (SAMPLE, {"precision": torch.float16}, TypeError, "precision is a name"),
    "region of words": (SAMPLE, {"roi": ["left"] * 6}, TypeError, "roi is six numbers .* in RAS mm"),
    "region of five numbers": (SAMPLE, {"roi": [0, 1, 2, 3, 4]}, OptionError, "give six numbers"),
    "fraction of a batch": (SAMPLE, {"batch_size": 1.5}, TypeError, "batch_size is a whole number"),
    "overlap that is no number": (SAMPLE, {"overlap": "half"}, TypeError, "overlap is a number, not str"),
}


@pytest.mark.parametrize(("image", "values", "error", "words"), UNUSABLE.values(), ids=UNUSABLE)
def test_unusable_argument_says_in_one_line_what_would_be_right(model, image, values, error, words):
    with pytest.raises(error, match=words) as caught:
        ts.segment(image, model, **values)
    assert "\n" not in str(caught.value)


UNUSABLE_MODELS = {
    "number": (1, TypeError, "a model is a name such as 'hippocampus-t1', a path, .* not int"),
    "network": (nn.Identity(), TypeError, "a network alone does not say which images it is for"),
    "unknown name": ("hippocampus", BundleError, "models are: .*hippocampus-t1"),
}


@pytest.mark.parametrize(("model", "error", "words"), UNUSABLE_MODELS.values(), ids=UNUSABLE_MODELS)
def test_unusable_model_says_in_one_line_what_would_be_right(model, error, words):
    with pytest.raises(error, match=words) as caught:
        ts.segment(SAMPLE, model)
    assert "\n" not in str(caught.value)


def test_model_is_loaded_by_name_or_path_only(model):
    with pytest.raises(TypeError, match="by its name or its path, not Bundle"):
        ts.load_model(model)


# Networks


def test_network_is_built_from_keywords_or_a_specification():
    spec = ts.NetworkSpec(classes=3, filters=(4, 8), dropout=0.5)
    for network in (
        ts.build(classes=3, filters=[4, 8], dropout=0.5, family="mc_dropout", passes=7),
        ts.build(spec, "mc_dropout", passes=7),
    ):
        assert (network.spec, network.family, network.options.passes) == (spec, "mc_dropout", 7)
    assert ts.build(spec, propagation="correlated").propagation == "correlated"


@pytest.mark.parametrize(
    ("spec", "values", "error", "words"),
    [
        ("unet", {}, TypeError, r"spec is a NetworkSpec, not str; .* build\(classes=3"),
        (ts.NetworkSpec(classes=2), {"classes": 3}, TypeError, "classes: give it in the NetworkSpec"),
        (None, {}, OptionError, "classes is missing"),
        (None, {"classes": 2, "depth": 4}, OptionError, "unknown key 'depth'; known are .*filters"),
        (None, {"classes": 2, "members": 4}, OptionError, "vdp takes no 'members'"),
        (None, {"classes": 2, "family": "bayes"}, OptionError, "choose one of vdp"),
    ],
)
def test_unusable_specification_says_what_would_be_right(spec, values, error, words):
    with pytest.raises(error, match=words):
        ts.build(spec, **values)


# Each with what it cannot be built without, and few passes.
PUBLISHED = {"normalization": "none", "activation": "relu", "upsampling": "zero_insertion"}
FAMILIES = {
    "vdp": {},
    "deterministic": {},
    "mc_dropout": {"passes": 3},
    "ensemble": {"members": 2},
    "bayes_by_backprop": {"passes": 3},
    "supernet": PUBLISHED,
    "variance_head": {},
}


def test_every_family_is_tried_here():
    assert set(FAMILIES) == set(networks.FAMILIES)


@pytest.mark.parametrize("family", FAMILIES)
def test_class_moments_are_those_of_the_family_at_inference(family):
    network = ts.build(classes=3, filters=(4, 8), dropout=0.5, family=family, **FAMILIES[family])
    image = torch.randn(1, 1, 8, 8, 8)
    mean, variance = ts.class_moments(network, image)
    assert network.training
    assert not mean.requires_grad
    torch.testing.assert_close((mean, variance), tuple(network.eval().class_moments(image)))


def test_class_moments_leave_frozen_layers_in_evaluation_mode():
    network = ts.build(classes=2, filters=(4, 8), normalization="batch")
    network.body.encoder.eval()
    before = [module.training for module in network.modules()]
    state = {name: value.clone() for name, value in network.state_dict().items()}
    ts.class_moments(network, torch.randn(1, 1, 8, 8, 8))
    assert [module.training for module in network.modules()] == before
    torch.testing.assert_close(network.state_dict(), state)


@pytest.mark.parametrize(
    ("network", "image", "error", "words"),
    [
        ("vdp", torch.zeros(1, 1, 8, 8, 8), TypeError, "a network is an nn.Module, .* not str"),
        (ts.build(classes=2), np.zeros((1, 1, 8, 8, 8)), TypeError, r"torch tensor .*, not ndarray"),
        (
            ts.build(classes=2),
            torch.zeros(1, 1, 8, 8, 8, dtype=int),
            TypeError,
            "not a tensor of torch.int64",
        ),
        (ts.build(classes=2), torch.zeros(1, 8, 8, 8), ImageError, r"takes \(B, C, D, H, W\) with C = 1"),
        (ts.build(classes=2), torch.zeros(1, 2, 8, 8, 8), ImageError, "with C = 1"),
        (ts.build(classes=2), torch.zeros(1, 1, 8, 8, 6), ImageError, "multiples of 4; pad or crop"),
        (nn.Conv3d(1, 2, 1), torch.zeros(1, 1, 8, 8, 8), TypeError, "end it with layers.ClassConvolution"),
    ],
)
def test_unusable_batch_says_what_would_be_right(network, image, error, words):
    with pytest.raises(error, match=words):
        ts.class_moments(network, image)


def test_class_moments_of_a_model_are_those_of_its_network(model):
    with pytest.raises(TypeError, match=r"not Bundle; use model.network\(\)"):
        ts.class_moments(model, torch.zeros(1, 1, 8, 8, 8))
    mean, _variance = ts.class_moments(model.network(), torch.zeros(1, 1, 16, 16, 16))
    assert mean.shape == (1, 3, 16, 16, 16)


# Layers


def sampled(network: nn.Sequential, twin: nn.Sequential, image: torch.Tensor, draws: int) -> torch.Tensor:
    """Class probabilities (draws, B, K, ...) of the twin with kernels drawn from those of the network."""
    found = []
    for _ in range(draws):
        for layer, drawn in zip(network, twin, strict=True):
            if isinstance(layer, ts.layers.RandomKernels):
                deviation = layer.weight_variance.sqrt().view(-1, *(1,) * (layer.weight.dim() - 1))
                drawn.weight.copy_(layer.weight + deviation * torch.randn_like(layer.weight))
                drawn.bias.copy_(layer.bias)
        found.append(twin(image).softmax(dim=1))
    return torch.stack(found)


@torch.no_grad()
def test_own_network_agrees_with_monte_carlo():
    torch.manual_seed(0)
    layers = ts.layers
    network = nn.Sequential(
        layers.Convolution(1, 8, kernel_size=3, padding=1),
        layers.BatchNorm(8),
        layers.LeakyReLU(0.1),
        layers.MaxPool(2),
        layers.ClassConvolution(8, classes=3),
    )
    twin = nn.Sequential(
        nn.Conv3d(1, 8, 3, padding=1),
        nn.BatchNorm3d(8),
        nn.LeakyReLU(0.1),
        nn.MaxPool3d(2),
        nn.Conv3d(8, 3, 1),
    ).eval()
    for statistics in (network[1].running_mean, network[1].running_var):
        statistics.add_(0.3)
    twin[1].load_state_dict(network[1].state_dict())
    image = torch.randn(1, 1, 8, 8, 8)
    draws = sampled(network, twin, image, 1500)
    mean, variance = ts.class_moments(network, image)
    torch.testing.assert_close(mean, draws.mean(dim=0), atol=0.03, rtol=0)
    ratio = variance / draws.var(dim=0)
    assert 0.95 < variance.sum() / draws.var(dim=0).sum() < 1.05
    assert 0.95 < ratio.median() < 1.06


@pytest.mark.parametrize(
    ("layer", "twin"),
    [
        (ts.layers.MaxPool(3, stride=2, padding=1), nn.MaxPool3d(3, 2, 1)),
        (ts.layers.AveragePool(3, stride=2, padding=1), nn.AvgPool3d(3, 2, 1)),
        (ts.layers.LeakyReLU(0.2), nn.LeakyReLU(0.2)),
        (ts.layers.Upsample(2), nn.Upsample(scale_factor=2, mode="trilinear")),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_layer_of_a_certain_input_is_its_twin(layer, twin):
    image = torch.randn(2, 3, 8, 8, 8)
    output = layer(ts.Gaussian(image, torch.zeros_like(image)))
    torch.testing.assert_close(output.mean, twin(image), atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(output.variance, torch.zeros_like(output.variance))


def test_variance_of_an_average_is_that_of_independent_or_of_equal_voxels():
    x = ts.Gaussian(torch.zeros(1, 1, 4, 4, 4), torch.ones(1, 1, 4, 4, 4))
    for correlation, expected in ((0.0, 1 / 8), (1.0, 1.0)):
        variance = ts.layers.AveragePool(2, correlation=correlation)(x).variance
        torch.testing.assert_close(variance, torch.full((1, 1, 2, 2, 2), expected))


# Examples


@pytest.mark.parametrize(("code", "output"), EXAMPLES, ids=range(1, len(EXAMPLES) + 1))
def test_example_of_the_page_runs_and_prints_what_it_says(workplace, code, output):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, PAGE.name, "exec"), {"__name__": "__main__"})
    if output:
        assert printed.getvalue() == output


@pytest.mark.parametrize(
    "module", [ts, api, sys.modules["TrustSegLib.imaging.volume"]], ids=lambda m: m.__name__
)
def test_examples_of_the_docstrings_run(workplace, module):
    done = doctest.testmod(module)
    assert done.attempted
    assert not done.failed
