"""What ends a run, and what is left of it: killed, not finite, without progress; averaged weights."""

from __future__ import annotations

import signal
import sys
import time
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from warm_processes import TrainingCommand

from trustseg_training.cli import main
from trustseg_training.training import lightning_module, load_weights
from trustseg_training.training.callbacks import error_colors, side_by_side

OPTIONS = ["--structures", "Left half", "Right half", "--filters", "4", "8", "--patch", "16", "16", "16"]
OPTIONS += ["--batch-size", "2", "--accelerator", "cpu"]
PLAIN = ["--family", "deterministic"]


def _fit(dataset: Path, run: Path, *more: str) -> int:
    return main(["fit", str(dataset), "-o", str(run), *OPTIONS, *more])


def _checkpoint(run: Path, name: str = "last.ckpt") -> dict:
    return torch.load(run / name, weights_only=True)


def _spoil_step(monkeypatch, epoch: int, spoil) -> None:
    """Change the loss of every step of an epoch."""
    original = lightning_module.objective.losses

    def losses(name, network, logits, *arguments, **options):
        terms = original(name, network, logits, *arguments, **options)
        return spoil(terms) if network.epoch == epoch else terms

    def start(self):
        self.network.epoch = self.current_epoch

    monkeypatch.setattr(lightning_module.objective, "losses", losses)
    monkeypatch.setattr(lightning_module.Segmentation, "on_train_epoch_start", start)


class _FiniteButNotItsGradient(torch.autograd.Function):
    @staticmethod
    def forward(context, x):
        return x.clone()

    @staticmethod
    def backward(context, gradient):
        return gradient * float("nan")


@pytest.mark.parametrize(
    ("spoil", "message"),
    [
        (lambda terms: {**terms, "dice_loss": terms["dice_loss"] * float("nan")}, "dice loss nan"),
        (lambda terms: {**terms, "cross_entropy": terms["cross_entropy"] / 0}, "cross entropy inf"),
        (
            lambda terms: {name: _FiniteButNotItsGradient.apply(term) for name, term in terms.items()},
            "the gradient is not finite in epoch 1",
        ),
    ],
)
def test_a_value_that_is_not_finite_ends_the_run_and_spoils_no_checkpoint(
    dataset, tmp_path, monkeypatch, capsys, spoil, message
):
    _spoil_step(monkeypatch, 1, spoil)
    assert _fit(dataset, tmp_path / "run", *PLAIN, "--epochs", "3") == 2
    error = capsys.readouterr().err
    assert message in error
    assert "smaller learning rate" in error
    assert "the last checkpoint before it, if there is one, is kept" in error
    kept = _checkpoint(tmp_path / "run")
    assert kept["epoch"] == 0
    assert all(value.isfinite().all() for value in kept["state_dict"].values())


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_killed_run_resumes_to_the_weights_of_an_unbroken_one(dataset, tmp_path):
    run, options = tmp_path / "killed", [*OPTIONS, *PLAIN, "--epochs", "9"]
    command = [sys.executable, "-m", "trustseg_training", "fit", str(dataset), "-o", str(run), *options]
    process = TrainingCommand(command)
    while not (run / "last.ckpt").is_file() and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    assert process.wait() == -signal.SIGKILL
    assert _checkpoint(run)["epoch"] < 8
    assert main([*command[3:], "--resume"]) == 0
    assert main(["fit", str(dataset), "-o", str(tmp_path / "unbroken"), *options]) == 0
    for name in ("best.ckpt", "last.ckpt"):
        expected, resumed = load_weights(tmp_path / "unbroken", name), load_weights(run, name)
        assert all(torch.equal(value, resumed[key]) for key, value in expected.items()), name


@pytest.mark.parametrize(
    "more",
    [
        ("--family", "vdp", "--ema", "0.9", "--kl-schedule", "linear"),
        ("--family", "bayes_by_backprop", "--set", 'family_options={"passes": 2}'),
        ("--family", "mc_dropout", "--dropout", "0.5", "--set", 'family_options={"passes": 2}'),
        ("--family", "deterministic", "--ema", "0.5", "--early-stopping", "3", "--gradient-clip", "none"),
    ],
)
def test_a_resumed_run_is_the_unbroken_one_bit_for_bit(dataset, tmp_path, monkeypatch, more):
    unbroken, broken = tmp_path / "unbroken", tmp_path / "broken"
    assert _fit(dataset, unbroken, *more, "--epochs", "3") == 0
    original = lightning_module.Segmentation.training_step

    def interrupted(self, batch, index):
        if (self.current_epoch, index) == (2, 1):
            raise FloatingPointError("the loss is nan")
        return original(self, batch, index)

    with monkeypatch.context() as patch:
        patch.setattr(lightning_module.Segmentation, "training_step", interrupted)
        assert _fit(dataset, broken, *more, "--epochs", "3") == 2
    torch.rand(7)
    assert _fit(dataset, broken, *more, "--epochs", "3", "--resume") == 0
    expected, resumed = _checkpoint(unbroken), _checkpoint(broken)
    for part in ("state_dict", "current_model_state"):
        for name, value in expected.get(part, {}).items():
            assert torch.equal(value, resumed[part][name]), (part, name)
    for one, other in zip(
        expected["optimizer_states"][0]["state"].values(),
        resumed["optimizer_states"][0]["state"].values(),
        strict=True,
    ):
        assert all(torch.equal(one[name], other[name]) for name in ("exp_avg", "exp_avg_sq"))


def test_average_of_the_weights_is_that_of_the_steps(dataset, tmp_path, monkeypatch):
    decay, steps = 0.8, []
    original = lightning_module.Segmentation.on_before_optimizer_step

    def watch(self, optimizer):
        original(self, optimizer)
        steps.append(self.network.body.head.weight.detach().clone())  # as the step before left it

    monkeypatch.setattr(lightning_module.Segmentation, "on_before_optimizer_step", watch)
    assert _fit(dataset, tmp_path / "run", *PLAIN, "--epochs", "2", "--ema", str(decay)) == 0
    saved = _checkpoint(tmp_path / "run")
    steps = [*steps[1:], saved["current_model_state"]["network.body.head.weight"]]
    average = steps[0]
    for weight in steps[1:]:
        average = decay * average + (1 - decay) * weight
    torch.testing.assert_close(load_weights(tmp_path / "run", "last.ckpt")["body.head.weight"], average)
    assert not torch.equal(average, steps[-1])


def test_run_without_progress_ends_early_and_reports_its_best(dataset, tmp_path, monkeypatch):
    def end(self):
        self._dice.clear()
        self.log("val/dice", 1.0 / (1 + abs(self.current_epoch - 1)))

    monkeypatch.setattr(lightning_module.Segmentation, "on_validation_epoch_end", end)
    run = tmp_path / "run"
    assert _fit(dataset, run, *PLAIN, "--epochs", "30", "--early-stopping", "2") == 0
    assert (_checkpoint(run, "best.ckpt")["epoch"], _checkpoint(run)["epoch"]) == (1, 3)


def test_gradients_are_clipped_to_the_requested_norm(dataset, tmp_path, monkeypatch):
    norms = []
    original = lightning_module.Segmentation.optimizer_step

    def step(self, epoch, index, optimizer, closure=None):
        original(self, epoch, index, optimizer, closure)
        squares = [p.grad.square().sum() for p in self.network.parameters() if p.grad is not None]
        norms.append(float(torch.stack(squares).sum().sqrt()))

    monkeypatch.setattr(lightning_module.Segmentation, "optimizer_step", step)
    assert _fit(dataset, tmp_path / "a", *PLAIN, "--epochs", "1", "--gradient-clip", "0.01") == 0
    assert norms == pytest.approx([0.01] * len(norms), rel=1e-3)
    norms.clear()
    assert _fit(dataset, tmp_path / "b", *PLAIN, "--epochs", "1", "--gradient-clip", "none") == 0
    assert min(norms) > 0.01


def test_tensorboard_has_mask_and_uncertainty_of_every_epoch(dataset, tmp_path):
    assert _fit(dataset, tmp_path / "run", *PLAIN, "--epochs", "2") == 0
    (events,) = (tmp_path / "run").glob("tensorboard/**/events*")
    board = EventAccumulator(str(events), size_guidance={"images": 0})
    board.Reload()
    assert set(board.Tags()["images"]) == {"val/truth_and_mask", "val/error_probability"}
    pictures = board.Images("val/truth_and_mask")
    assert [picture.step for picture in pictures] == [0, 1]
    assert (pictures[0].height, pictures[0].width) == (16, 36)


def test_pictures_have_a_fixed_scale_and_the_structures_in_color():
    error = torch.tensor([[0.0, 0.25, 0.5, 0.9]]).numpy()
    colors = error_colors(error).astype(int)
    assert (colors[0, 2] == colors[0, 3]).all()
    assert colors.sum(-1)[0, 0] < colors.sum(-1)[0, 1] < colors.sum(-1)[0, 2]
    image = torch.arange(12.0).reshape(3, 4).numpy()
    truth, mask = torch.zeros(3, 4).int().numpy(), torch.eye(3, 4).int().numpy()
    picture = side_by_side(image, truth, mask).astype(int)
    gray = picture.max(-1) == picture.min(-1)
    assert picture.shape == (3, 8, 3)
    assert gray[:, :4].all()
    assert (gray[:, 4:] == (mask == 0)).all()
