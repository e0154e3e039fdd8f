"""Attacks on small networks that know their task: what is found, how far it is, and that it works."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from trustseg_training.attacks import Attack, attack, parse
from trustseg_training.attacks.attack import Box
from trustseg_training.metrics import dice
from TrustSegLib.errors import ImageError, OptionError
from TrustSegLib.inference import sliding_window
from TrustSegLib.moments import ClassMoments
from TrustSegLib.networks import NetworkSpec, build, start_from

PATCH, SIZE = (12, 12, 12), 12
EPSILON = 0.2
#: The background is most of a blob.
CLASS_WEIGHTS = torch.tensor([0.3, 1.0, 1.0])


def _blob(seed: int, size: int = SIZE) -> tuple[np.ndarray, np.ndarray]:
    """A bright ball whose left half is brighter, in noise: image (1, D, H, W) and labels (D, H, W)."""
    generator = np.random.default_rng(seed)
    grid = np.stack(np.meshgrid(*3 * (np.arange(size) - size / 2,), indexing="ij"))
    center = generator.uniform(-1, 1, (3, 1, 1, 1))
    ball = ((grid - center) ** 2).sum(0) < 16
    labels = np.where(ball, np.where(grid[2] > center[2], 1, 2), 0)
    image = 0.5 * ball + 0.3 * (labels == 1) + generator.normal(0, 0.1, ball.shape)
    return image[None].astype(np.float32), labels


def _trained(family: str = "deterministic", seed: int = 0, **options: object) -> torch.nn.Module:
    dropout = 0.2 if family == "mc_dropout" else 0.0
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        spec = NetworkSpec(classes=3, filters=(6, 12), convolutions=1, dropout=dropout)
        network, blobs = build(spec, family, **options), [_blob(100 + index) for index in range(16)]
        optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
        for step in range(60):
            images, labels = zip(*(blobs[(4 * step + index) % 16] for index in range(4)), strict=True)
            logits, truth = network(torch.from_numpy(np.stack(images))), torch.from_numpy(np.stack(labels))
            optimizer.zero_grad()
            F.cross_entropy(logits, truth, CLASS_WEIGHTS).backward()
            optimizer.step()
    return network.eval()


@pytest.fixture(scope="module")
def network() -> torch.nn.Module:
    return _trained()


@pytest.fixture(scope="module")
def case() -> tuple[np.ndarray, np.ndarray]:
    return _blob(0)


def _predict(network, image: np.ndarray) -> np.ndarray:
    return sliding_window(image, network, PATCH)[0]


def _score(network, image: np.ndarray, labels: np.ndarray) -> float:
    predicted = _predict(network, image).argmax(axis=0)
    return float(np.mean([dice(predicted == label, labels == label) for label in (1, 2)]))


@pytest.mark.parametrize("name", ["fgsm", "pgd", "segpgd", "uncertainty"])
def test_attack_breaks_the_network_within_epsilon_and_the_range(network, case, name):
    image, labels = case
    found = attack(network, image, labels, Attack(name, EPSILON), PATCH, seed=0)
    assert _score(network, image, labels) > 0.9
    assert _score(network, found.image, labels) < (0.8 if name == "fgsm" else 0.6)
    assert found.image.dtype == np.float32
    assert np.abs(found.image - image).max() <= EPSILON * np.ptp(image) * (1 + 1e-5)
    assert found.image.min() >= image.min()
    assert found.image.max() <= image.max()
    assert found.epsilon == EPSILON


@pytest.mark.parametrize("family", ["mc_dropout", "vdp"])
def test_attack_breaks_families_of_passes_and_of_moments(network, case, family):
    if family == "vdp":
        victim = build(network.spec, "vdp").eval()
        start_from(victim, network.state_dict())
    else:
        victim = _trained(family, passes=4)
    image, labels = case
    found = attack(victim, image, labels, Attack("pgd", EPSILON, 8), PATCH, seed=0)
    assert _score(victim, image, labels) > 0.85
    assert _score(victim, found.image, labels) < 0.7


def test_volume_larger_than_a_patch_is_attacked_everywhere(network):
    image, labels = _blob(1, 18)
    found = attack(network, image, labels, Attack("fgsm", EPSILON), PATCH, seed=0)
    moved = np.abs(found.image - image)[0] > 0
    for part in np.array_split(moved, 3, axis=2):
        assert part.mean() > 0.9


class _Wavy(torch.nn.Module):
    """A step far along the slope goes over the hill."""

    def class_moments(self, patches: torch.Tensor) -> ClassMoments:
        logits = torch.cat([torch.zeros_like(patches), 4 * torch.sin(200 * patches)], dim=1)
        p = torch.softmax(logits, dim=1)
        return ClassMoments(p, torch.zeros_like(p))


@pytest.mark.parametrize("name", ["pgd", "uncertainty"])
def test_more_steps_never_make_an_attack_weaker(name, network, case):
    image, labels = case
    waves = _Wavy().eval()
    for victim, truth in ((network, labels), (waves, labels % 2)):
        strengths = [
            attack(victim, image, truth, Attack(name, EPSILON, steps), PATCH, seed=3).loss
            for steps in range(1, 12)
        ]
        assert strengths == sorted(strengths)
        assert victim is waves or strengths[-1] > strengths[0]


def test_kept_image_has_the_reported_strength(network, case):
    image, labels = case
    found = attack(_Wavy().eval(), image, labels % 2, Attack("pgd", EPSILON, 7), PATCH, seed=3)
    p = np.take_along_axis(_predict(_Wavy().eval(), found.image), labels[None] % 2, axis=0)
    assert found.loss == pytest.approx(-np.log(p).mean(), rel=1e-4)
    found = attack(network, image, labels, Attack("segpgd", EPSILON, 7), PATCH, seed=3)
    wrong = _predict(network, found.image).argmax(axis=0) != labels
    assert found.loss == pytest.approx(wrong.mean())


def test_iterated_attacks_are_stronger_than_one_step(network, case):
    image, labels = case
    one = attack(network, image, labels, Attack("fgsm", EPSILON), PATCH, seed=0)
    many = attack(network, image, labels, Attack("pgd", EPSILON), PATCH, seed=0)
    most = attack(network, image, labels, Attack("segpgd", EPSILON), PATCH, seed=0)
    assert many.loss > one.loss
    wrong = [(_predict(network, found.image).argmax(axis=0) != labels).mean() for found in (one, many, most)]
    assert wrong[1] > wrong[0]
    assert wrong[2] > wrong[0]


@pytest.mark.parametrize("name", ["fgsm", "pgd"])
@pytest.mark.parametrize(("source", "target"), [(1, 2), (2, 1), (1, 0)])
def test_targeted_attack_turns_the_source_into_the_target_and_nothing_else(
    network, case, name, source, target
):
    image, labels = case
    how = Attack(name, EPSILON, source=source, target=target)
    found = attack(network, image, labels, how, PATCH, seed=0)
    before, after = (_predict(network, x).argmax(axis=0) for x in (image, found.image))
    turned = [(predicted[labels == source] == target).mean() for predicted in (before, after)]
    assert turned[1] > turned[0] + (0.3 if name == "pgd" else 0.05)
    if name == "pgd":
        others = labels != source
        assert (after == labels)[others].mean() > (before == labels)[others].mean() - 0.2


def test_attack_on_the_uncertainty_hides_the_error_it_makes(network, case):
    image, labels = case
    reported, scores = {}, {}
    for name in ("pgd", "uncertainty"):
        found = attack(network, image, labels, Attack(name, EPSILON), PATCH, seed=0)
        p = _predict(network, found.image)
        reported[name] = (1 - p.max(axis=0))[p.argmax(axis=0) != labels].mean()
        scores[name] = _score(network, found.image, labels)
    assert reported["uncertainty"] < 0.9 * reported["pgd"]
    assert scores["uncertainty"] < 0.7


def test_attack_made_with_one_network_transfers_to_another(network, case):
    image, labels = case
    other = _trained(seed=1)
    found = attack(other, image, labels, Attack("pgd", EPSILON), PATCH, seed=0)
    assert _score(network, found.image, labels) < _score(network, image, labels) - 0.1


def test_attack_depends_on_its_seed_alone(network, case):
    image, labels = case
    how = Attack("pgd", EPSILON, 2)
    state, other = torch.get_rng_state(), np.random.get_state()[1].copy()  # noqa: NPY002 - the global one
    first = attack(network, image, labels, how, PATCH, seed=5).image
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], other)  # noqa: NPY002
    torch.rand(3)
    kept = image.copy()
    assert np.array_equal(attack(network, image, labels[None], how, PATCH, seed=5).image, first)
    assert not np.array_equal(attack(network, image, labels, how, PATCH, seed=6).image, first)
    assert np.array_equal(image, kept)


def test_stronger_epsilon_has_a_lower_snr(network, case):
    decibels = [
        attack(network, *case, parse(f"fgsm-{epsilon}"), PATCH, seed=0).snr_db
        for epsilon in (0.01, 0.02, 0.05)
    ]
    assert decibels == sorted(decibels, reverse=True)
    assert decibels[0] - decibels[1] == pytest.approx(20 * math.log10(2), abs=0.2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda image, labels: (image * np.nan, labels), "NaN or infinite"),
        (lambda image, labels: (image * 0, labels), "constant"),
        (lambda image, labels: (image[0], labels), "not of one grid"),
        (lambda image, labels: (image, labels[1:]), "not of one grid"),
        (lambda image, labels: (image, labels + 1), "holds 1 to 3, but the network knows the labels 0 to 2"),
        (lambda image, labels: (image, labels - 1), "holds -1 to 1"),
    ],
)
def test_image_that_cannot_be_attacked_is_refused_with_a_reason(network, case, change, message):
    with pytest.raises(ImageError, match=message):
        attack(network, *change(*case), Attack("fgsm", EPSILON), PATCH, seed=0)


def test_target_that_the_network_does_not_know_is_refused(network, case):
    with pytest.raises(OptionError, match=r"pgd20-0\.2@1to3: the network knows the labels 0 to 2"):
        attack(network, *case, Attack("pgd", EPSILON, source=1, target=3), PATCH, seed=0)


def test_random_start_fills_the_box():
    image = torch.zeros(1, 8, 8, 8)
    image[0, 0], image[0, 1] = -2, 2
    start = Box.around(image, 0.1).random_image(0)
    inner = start[0, 2:]
    assert inner.abs().max() <= 0.4
    assert inner.abs().max() > 0.35
    assert inner.abs().mean().item() == pytest.approx(0.2, abs=0.03)


def test_epsilon_counts_in_the_range_of_each_channel_and_no_channel_leaves_its_own():
    image = torch.zeros(2, 1, 1, 4)
    image[0, 0, 0] = torch.tensor([0.0, 1.0, 2.0, 4.0])
    image[1, 0, 0] = torch.tensor([-10.0, 0.0, 0.0, 10.0])
    box = Box.around(image, 0.1)
    gradient = torch.tensor([-1.0, 3.0, 0.0, 2.0]).expand(2, 1, 1, 4)
    moved = box.step(image, gradient, 0.05)
    assert (moved - image)[0].flatten().tolist() == pytest.approx([0, 0.2, 0, 0], abs=1e-6)
    assert (moved - image)[1].flatten().tolist() == pytest.approx([0, 1, 0, 0], abs=1e-6)
    for _ in range(5):
        moved = box.step(moved, gradient, 0.05)
    assert (moved - image)[:, 0, 0, 1].tolist() == pytest.approx([0.4, 2], abs=1e-6)


def test_snr_is_that_of_the_image_scaled_to_the_unit_range():
    image = torch.tensor([-10.0, 0.0, 10.0, 10.0]).view(1, 1, 1, 4)
    changed = torch.tensor([-10.0, 2.0, 8.0, 10.0]).view(1, 1, 1, 4)
    expected = 10 * math.log10((0.25 + 1 + 1) / (0.01 + 0.01))
    box = Box.around(image, 0.1)
    assert box.snr_db(changed) == pytest.approx(expected, abs=1e-5)
    assert box.snr_db(image) == math.inf
