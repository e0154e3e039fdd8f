"""Temperature and variance scale: their fit, the voxels it uses, and their way into run and bundle."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from trustseg_training.cli import main
from trustseg_training.evaluation import choose_cases, load_evaluated_model, near_voxels
from trustseg_training.evaluation.evaluated_model import load_plain_run
from trustseg_training.evaluation.near_voxels import NearVoxels, PreparedImage, Source, collect
from trustseg_training.evaluation.scale_fitting import near_voxels_of
from trustseg_training.evaluation.scale_images import CORRUPTIONS
from trustseg_training.evaluation.temperature_scaling import Scales, at_their_limits, fit_scales, scores
from TrustSegLib.bundle import load_bundle
from TrustSegLib.inference.sliding_window import sliding_window
from TrustSegLib.moments import LogitMoments, sample_logits
from TrustSegLib.networks import NetworkSpec, build

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu", "--epochs", "2"]
SMALL = NetworkSpec(classes=3, filters=(4, 8))


def _voxels(logits, target, image=None, sources=None) -> NearVoxels:
    """Of one clean image, if nothing is said; one patch covers each voxel."""
    count = len(target)
    image = torch.zeros(count, dtype=torch.long) if image is None else image
    sources = (Source("a", "clean", count),) if sources is None else sources
    return NearVoxels(logits, torch.arange(count), torch.ones(count), target, image, sources)


def _drawn(p: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return torch.multinomial(p, 1, generator=generator)[:, 0]


def test_fit_finds_the_temperature_that_made_the_labels():
    logits = 3 * torch.randn(20_000, 1, 3, generator=torch.Generator().manual_seed(0))
    target = _drawn(torch.softmax(logits[:, 0] / 2.5, dim=1))
    network, voxels = build(SMALL, "deterministic"), _voxels(logits, target)
    found = fit_scales(network, voxels)
    assert found.temperature == pytest.approx(2.5, rel=0.03)
    assert found.variance_scale is None
    before, after = (scores(each.probabilities(network, voxels), target) for each in (Scales(1.0), found))
    assert after.nll < before.nll
    assert after.ece < 0.02 < before.ece


def test_fit_finds_the_variance_scale_that_made_the_labels():
    """Voxels whose variances differ: only the scale, not a temperature, can tell them apart."""
    generator = torch.Generator().manual_seed(0)
    count = 60_000
    mean = 2 * torch.randn(count, 3, generator=generator)
    spread = torch.rand(count, 1, generator=generator) * 3
    covariance = torch.diag_embed(spread.expand(-1, 3))
    true = LogitMoments(mean, 4 * covariance)
    normals = torch.randn(4096, 3, generator=generator)
    p = torch.softmax(sample_logits(LogitMoments(mean[:1000], true.covariance[:1000]), normals), -1).mean(0)
    network = build(SMALL, "vdp")
    whole = _voxels(LogitMoments(mean, covariance), torch.zeros(count, dtype=torch.long))
    q = whole.probabilities(network, 1.0, 4.0)
    torch.testing.assert_close(q[:1000], p, atol=0.02, rtol=0)
    found = fit_scales(network, _voxels(whole.logits, _drawn(q)))
    assert found.temperature == pytest.approx(1, rel=0.1)
    assert found.variance_scale == pytest.approx(4, rel=0.25)


def test_variance_scale_is_fitted_only_where_the_readout_uses_the_variance():
    logits = LogitMoments(torch.randn(500, 3), torch.eye(3).expand(500, 3, 3))
    found = fit_scales(build(SMALL, "vdp", "taylor"), _voxels(logits, torch.zeros(500, dtype=torch.long)))
    assert found.variance_scale is None


def test_patients_count_alike_and_clean_images_half_however_many_voxels_there_are():
    """Clean voxels were made with a temperature of 1, the others, as many or a ninth, with one of 4."""
    generator = torch.Generator().manual_seed(0)
    found = []
    for corrupted in (1_000, 9_000):
        counts = (9_000, corrupted)
        mean = 4 * torch.randn(sum(counts), 1, 3, generator=generator)
        image = torch.repeat_interleave(torch.arange(2), torch.tensor(counts))
        true = torch.tensor([1.0, 4.0])[image, None]
        sources = tuple(
            Source("a", name, count) for name, count in zip(("clean", "motion-5"), counts, strict=True)
        )
        voxels = _voxels(mean, _drawn(torch.softmax(mean[:, 0] / true, dim=1)), image, sources)
        found.append(fit_scales(build(SMALL, "deterministic"), voxels).temperature)
    assert found[0] == pytest.approx(found[1], rel=0.08)
    assert 1.3 < found[0] < 3.5


def test_calibration_error_and_likelihood_of_a_case_worked_out_by_hand():
    p = torch.tensor([[0.9, 0.1], [0.9, 0.1], [0.4, 0.6], [0.4, 0.6]])
    measured = scores(p, torch.tensor([0, 1, 1, 1]))
    assert measured.ece == pytest.approx(0.5 * (0.9 - 0.5) + 0.5 * (1.0 - 0.6))
    assert measured.nll == pytest.approx(-np.mean(np.log([0.9, 0.1, 0.6, 0.6])), rel=1e-5)
    weighted = scores(p, torch.tensor([0, 1, 1, 1]), torch.tensor([3.0, 1.0, 0.0, 0.0], dtype=torch.float64))
    assert weighted.ece == pytest.approx(0.9 - 0.75)
    assert weighted.nll == pytest.approx(-(3 * np.log(0.9) + np.log(0.1)) / 4, rel=1e-5)


@pytest.mark.parametrize(
    ("family", "options", "dropout"),
    [
        ("deterministic", {}, 0.0),
        ("vdp", {}, 0.0),
        ("mc_dropout", {"passes": 3}, 0.5),
        ("bayes_by_backprop", {"passes": 3}, 0.0),
        ("variance_head", {}, 0.0),
        ("ensemble", {"members": 2}, 0.0),
    ],
)
def test_probabilities_equal_those_of_inference_with_any_scales(family, options, dropout, monkeypatch):
    """Over several patches, against the sliding window with a network that has these options."""
    torch.manual_seed(0)
    spec = NetworkSpec(classes=3, filters=(4, 8), dropout=dropout)
    network = build(spec, family, **options).eval()
    scale = {"variance_scale": 2.0} if family in ("vdp", "variance_head") else {}
    scaled = build(spec, family, **options, temperature=3.0, **scale, class_bias=[-0.5, 0.7]).eval()
    scaled.load_state_dict(network.state_dict())
    image = torch.randn(1, 10, 12, 11)
    label = np.zeros((10, 12, 11), np.int64)
    label[4:7, 5:8, 3:6] = 1
    monkeypatch.setattr(near_voxels, "near_structures", lambda truth, prediction: truth > 0)
    images = [PreparedImage(name, "clean", image.numpy(), label) for name in "ab"]
    voxels = collect(network, images, (8, 8, 8))
    assert (len(voxels.sources), len(voxels.target)) == (2, 54)
    found = Scales(3.0, scale.get("variance_scale"), (-0.5, 0.7))
    mean, _ = sliding_window(image.numpy(), scaled, (8, 8, 8))
    expected = torch.from_numpy(mean[:, label > 0].T)
    p = found.probabilities(network, voxels)
    torch.testing.assert_close(p, torch.cat([expected, expected]), atol=2e-5, rtol=0)
    second = found.probabilities(network, voxels.of_images(np.array([False, True])))
    torch.testing.assert_close(second, p[27:])


def test_two_dimensional_networks_are_calibrated_too():
    torch.manual_seed(0)
    network = build(NetworkSpec(classes=2, filters=(4, 8), dimensions=2), "deterministic").eval()
    label = np.zeros((3, 8, 8), np.int64)
    label[1, 2:4, 2:4] = 1
    image = PreparedImage(
        "a", "clean", np.random.default_rng(0).normal(size=(1, 3, 8, 8)).astype(np.float32), label
    )
    voxels = collect(network, [image], (1, 8, 8))
    assert set(voxels.target.tolist()) == {0, 1}


def test_images_of_a_patient_share_the_voxels_that_are_drawn(monkeypatch):
    monkeypatch.setattr(near_voxels, "VOXELS_PER_PATIENT", 100)
    label = np.zeros((8, 8, 8), np.int64)
    label[2:6, 2:6, 2:6] = 1
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 8)).astype(np.float32)
    shares = (("clean", 0.5), ("gaussian-2dB", 0.25), ("motion-5", 0.25))
    images = [PreparedImage("a", condition, image, label, share) for condition, share in shares]
    voxels = collect(build(SMALL, "deterministic").eval(), images, (8, 8, 8))
    assert voxels.drawn.tolist() == [50, 25, 25]
    for number, near in enumerate(source.near for source in voxels.sources):
        assert float(voxels.multiplicity[voxels.image == number].sum()) == pytest.approx(near)
    sums = [float(voxels.importance[voxels.image == number].sum()) for number in range(3)]
    assert sums == pytest.approx([0.5, 0.25, 0.25])


@pytest.fixture
def run(trained) -> Path:
    """A variational run of two epochs."""
    return trained(*OPTIONS)


def test_calibration_goes_into_the_run_and_from_there_into_the_bundle(details, run, tmp_path, capsys):
    assert main(["calibrate", str(run), "--device", "cpu"]) == 0
    assert "temperature " in capsys.readouterr().out
    written = json.loads((run / "calibration.json").read_text())
    assert written["after"]["nll"] < written["before"]["nll"]
    assert (written["patients"], written["bins"], written["margin_voxels"]) == (2, 15, 3)
    assert written["conditions"] == ["clean", *(corruption.key for corruption in CORRUPTIONS)]
    plain = load_plain_run(run)
    cases = choose_cases(plain, Path(plain.run.configuration.data), "val")
    network, voxels = near_voxels_of(plain, cases, CORRUPTIONS, "cpu")
    found = Scales(written["temperature"], written["variance_scale"], tuple(written["class_bias"]))
    p = found.probabilities(network, voxels)
    measured = scores(p, voxels.target, voxels.importance)
    assert measured.nll == pytest.approx(written["after"]["nll"], rel=1e-6)
    assert load_evaluated_model(run).scale_conditions == tuple(written["conditions"])
    command = ["export", str(run), "-o", str(tmp_path / "bundle"), "--details", str(details)]
    assert main(command) == 0
    bundle = load_bundle(tmp_path / "bundle")
    expected = found.options
    assert load_evaluated_model(tmp_path / "bundle").scale_conditions == tuple(written["conditions"])
    assert dict(bundle.description.family_options) == expected
    assert bundle.network().options.temperature == written["temperature"]
    assert bundle.metrics()["calibration"] == written


def test_export_of_a_damaged_calibration_or_one_of_other_weights_is_refused(details, run, tmp_path, capsys):
    command = ["export", str(run), "-o", str(tmp_path / "bundle"), "--details", str(details)]
    (run / "calibration.json").write_text('{"temperature": 2.0}')
    assert main(command) == 2
    assert "calibration.json: not a calibration" in capsys.readouterr().err
    content = {"temperature": "hot", "variance_scale": None, "checkpoint_sha256": "0"}
    (run / "calibration.json").write_text(json.dumps(content))
    assert main(command) == 2
    assert "temperature is not what was fitted" in capsys.readouterr().err
    (run / "calibration.json").write_text(json.dumps({**content, "temperature": 2.0}))
    assert main(command) == 2
    assert "fitted to other weights" in capsys.readouterr().err
    assert not (tmp_path / "bundle").exists()


def test_folder_without_a_run_is_named(tmp_path, capsys):
    assert main(["calibrate", str(tmp_path)]) == 2
    assert "no training run" in capsys.readouterr().err


def test_scales_at_the_ends_of_their_ranges_are_named():
    assert at_their_limits(Scales(19.999999, 0.0100001)) == ["temperature", "variance scale"]
    assert at_their_limits(Scales(0.05)) == ["temperature"]
    assert at_their_limits(Scales(1.5, 21.0)) == []


def test_scales_of_clean_images_alone_are_fitted_when_asked_for(run, capsys):
    words = ["calibrate", str(run), "--device", "cpu", "--conditions", "clean", "--scale-conditions"]
    assert main([*words, "clean"]) == 0
    written = json.loads((run / "calibration.json").read_text())
    assert written["conditions"] == list(written["by_condition"]) == ["clean"]
    assert main([*words, "gaussian"]) == 2
    assert "corruption 'gaussian': not understood" in capsys.readouterr().err
