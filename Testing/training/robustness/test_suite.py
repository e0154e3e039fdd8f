"""Suites: what ships, what a file may say, and what its mistakes are called."""

from __future__ import annotations

import pytest

from trustseg_training import suites
from trustseg_training.robustness.command import joined
from trustseg_training.robustness.suite import load_suite
from TrustSegLib.errors import OptionError


@pytest.mark.parametrize("name", suites.names())
def test_suites_that_ship_can_be_read(name):
    suite = load_suite(name)
    assert suite.title
    assert len(suite.conditions) > 1


def test_clean_image_is_always_the_first_condition(tmp_path):
    path = tmp_path / "own.yaml"
    path.write_text("title: Mine\ncorruptions: [blur-2]\nattacks: [fgsm-0.01]\n", encoding="utf-8")
    assert load_suite(str(path)).conditions == ("clean", "blur-2", "fgsm-0.01")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("corruptions: [blur-2]\n", "title is missing"),
        ("title: a\ncorruptions: [blurr-2]\n", "line 2: corruption 'blurr': not known"),
        ("title: a\n\nattacks: [pgd]\n", "line 3: attack 'pgd' is not understood"),
        ("title: a\ncorruptions: blur-2\n", "line 2: corruptions is 'blur-2'; a list is needed"),
        ("title: a\ncorruptoins: []\n", "line 2: unknown setting 'corruptoins'; did you mean corruptions?"),
        ("title: a\ncorruptions: [blur-2, blur-2]\n", "blur-2 is in it twice"),
        ("title: [\n", "not YAML"),
    ],
)
def test_mistake_in_a_suite_is_named(tmp_path, text, said):
    path = tmp_path / "own.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(OptionError) as caught:
        load_suite(str(path))
    assert str(caught.value).startswith(str(path))
    assert said in str(caught.value)


def test_unknown_suite_names_those_there_are():
    with pytest.raises(OptionError, match="quick"):
        load_suite("quik")


def test_joined_suites_measure_what_they_share_once():
    both = joined(["quick", "noise"])
    assert both.conditions.count("gaussian-8dB") == 1
    assert set(both.conditions) == {*load_suite("quick").conditions, *load_suite("noise").conditions}
    assert both.name == "quick+noise"
