"""What an attack may be asked for, and its name in tables."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trustseg_training.attacks import ATTACKS, Attack, Transfer, parse, parse_any
from trustseg_training.attacks.objectives import goal_of, surprise
from TrustSegLib.errors import OptionError


@pytest.mark.parametrize(
    ("values", "key"),
    [
        ({"name": "fgsm", "epsilon": 0.02}, "fgsm-0.02"),
        ({"name": "pgd", "epsilon": 0.02}, "pgd20-0.02"),
        ({"name": "pgd", "epsilon": np.float64(0.02)}, "pgd20-0.02"),
        ({"name": "segpgd", "epsilon": 0.02, "steps": 7}, "segpgd7-0.02"),
        ({"name": "uncertainty", "epsilon": 1e-05}, "uncertainty20-1e-05"),
        ({"name": "pgd", "epsilon": 0.02, "steps": 40, "step_size": 0.002}, "pgd40x0.002-0.02"),
        ({"name": "pgd", "epsilon": 0.02, "source": 1, "target": 2}, "pgd20-0.02@1to2"),
        ({"name": "fgsm", "epsilon": 0.02, "source": 2, "target": 0}, "fgsm-0.02@2to0"),
    ],
)
def test_key_of_an_attack_is_what_parse_reads(values, key):
    assert Attack(**values).key == key
    assert parse(key) == Attack(**values)


@given(
    st.sampled_from(ATTACKS),
    st.floats(1e-12, 1),
    st.integers(1, 10_000),
    st.none() | st.floats(0.001, 1),
    st.none() | st.permutations(range(5)),
)
def test_parse_is_the_inverse_of_the_key(name, epsilon, steps, share, classes):
    source, target = classes[:2] if classes and name in ("fgsm", "pgd") else (None, None)
    if name == "fgsm":
        how = Attack(name, epsilon, source=source, target=target)
    else:
        size = None if share is None else epsilon * 0.25 * share
        how = Attack(name, epsilon, steps, size, source, target)
    assert parse(how.key) == how


def test_the_step_is_a_quarter_of_epsilon_and_of_fgsm_all_of_it():
    assert Attack("pgd", 0.08).step_size == 0.02
    assert (Attack("fgsm", 0.08).step_size, Attack("fgsm", 0.08).steps) == (0.08, 1)
    assert parse("pgd-0.02").steps == 20


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"name": "apgd", "epsilon": 0.1}, "name is 'apgd'; choose one of fgsm, pgd"),
        ({"name": "pgd", "epsilon": 0}, "epsilon is 0; "),
        ({"name": "pgd", "epsilon": 1.5}, "epsilon is 1.5; "),
        ({"name": "pgd", "epsilon": math.nan}, "epsilon is nan; "),
        ({"name": "pgd", "epsilon": True}, "epsilon is True; "),
        ({"name": "pgd", "epsilon": "0.1"}, "epsilon is '0.1'; "),
        ({"name": "pgd", "epsilon": 0.1, "steps": 0}, "steps is 0; "),
        ({"name": "pgd", "epsilon": 0.1, "steps": 2.0}, "steps is 2.0; "),
        ({"name": "fgsm", "epsilon": 0.1, "steps": 2}, "steps is 2; .* 1 to 1"),
        ({"name": "fgsm", "epsilon": 0.1, "step_size": 0.05}, "leave step_size out"),
        ({"name": "pgd", "epsilon": 0.1, "step_size": 0.026}, "more than a quarter of epsilon"),
        ({"name": "pgd", "epsilon": 0.1, "step_size": 0.0}, "step_size is 0.0; "),
        ({"name": "pgd", "epsilon": 0.1, "step_size": math.inf}, "step_size is inf; "),
        ({"name": "pgd", "epsilon": 0.1, "source": 1}, "source 1 to target None; "),
        ({"name": "pgd", "epsilon": 0.1, "target": 1}, "source None to target 1; "),
        ({"name": "pgd", "epsilon": 0.1, "source": 1, "target": 1}, "both 1"),
        ({"name": "pgd", "epsilon": 0.1, "source": -1, "target": 1}, "source -1 to target 1; "),
        ({"name": "segpgd", "epsilon": 0.1, "source": 1, "target": 2}, "takes no source and target"),
    ],
)
def test_invalid_attack_is_refused_by_name(values, message):
    with pytest.raises(OptionError, match=message):
        Attack(**values)


@pytest.mark.parametrize(
    "text",
    ["", "pgd", "pgd20", "pgd20-", "pgd20--0.1", "pgd20-0.1@1", "PGD-0.1", "pgd" + "9" * 5000 + "-0.1"],
)
def test_text_that_is_no_attack_is_refused(text):
    with pytest.raises(OptionError, match="is not understood"):
        parse(text)


@pytest.mark.parametrize("key", ["fgsm-0.02-from-deterministic-1", "pgd20-0.02@1to2-from-a b", "fgsm-0.02"])
def test_key_of_a_transferred_attack_can_be_read_again(key):
    assert parse_any(key).key == key


def test_transferred_attack_knows_its_model():
    assert parse_any("fgsm-0.02-from-other-from-me") == Transfer(Attack("fgsm", 0.02), "other-from-me")


@pytest.mark.parametrize("key", ["fgsm-0.02-from-", "fgsm-0.02-from-../x", "fgms-0.02-from-a"])
def test_transfer_without_a_model_is_refused(key):
    with pytest.raises(OptionError):
        parse_any(key)


@pytest.mark.parametrize(("step", "wrong_weight"), [(1, 0.0), (2, 1 / 8), (3, 2 / 8), (4, 3 / 8)])
def test_segpgd_weighs_wrong_voxels_more_from_step_to_step_as_published(step, wrong_weight):
    """Gu et al., ECCV 2022: lambda(t) = (t - 1) / (2 T) for wrong voxels, 1 - lambda(t) for right ones."""
    p = torch.tensor([[0.8, 0.3], [0.2, 0.7]])[:, None, None]
    labels = torch.tensor([[[0, 0]]])
    right, wrong = surprise(p, labels).flatten()
    found = goal_of(Attack("segpgd", 0.02, steps=4), labels).ascended(p, step)
    assert found == pytest.approx(float(((1 - wrong_weight) * right + wrong_weight * wrong) / 2))
