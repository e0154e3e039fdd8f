"""Suites: those that ship, the content of a file, and the errors of an invalid one."""

from __future__ import annotations

import pytest

from trustseg_training import suites
from trustseg_training.robustness.suite import load_suite, load_suites
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


def test_error_of_an_unknown_suite_names_the_known_ones():
    with pytest.raises(OptionError, match="quick"):
        load_suite("quik")


def test_condition_of_two_suites_is_measured_once():
    both = load_suites(["quick", "noise"])
    assert both.conditions.count("gaussian-8dB") == 1
    assert set(both.conditions) == {*load_suite("quick").conditions, *load_suite("noise").conditions}
    assert both.name == "quick+noise"
