"""A corruption as a value: what is refused, and the text that names it in tables."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trustseg_training.corruptions import ARTIFACTS, NAMES, NOISES, Corruption, parse
from trustseg_training.corruptions.applying import ARTIFACT
from trustseg_training.corruptions.noises import NOISE
from TrustSegLib.errors import OptionError

PLACES = st.one_of(st.sampled_from(["all", "background", "structures"]), st.integers(1, 255))
BY_SEVERITY = st.builds(
    Corruption, st.sampled_from(NAMES), severity=st.integers(1, 5), snr_db=st.none(), where=PLACES
)
BY_SNR = st.builds(
    Corruption, st.sampled_from(NOISES), severity=st.none(), snr_db=st.floats(-30, 100), where=PLACES
)


@given(st.one_of(BY_SEVERITY, BY_SNR))
def test_the_key_of_a_corruption_names_it_exactly(corruption):
    assert parse(corruption.key) == corruption


@given(st.one_of(BY_SEVERITY, BY_SNR), st.one_of(BY_SEVERITY, BY_SNR))
def test_two_corruptions_share_no_key(first, second):
    assert (first.key == second.key) == (first == second)


@pytest.mark.parametrize(
    ("corruption", "key"),
    [
        (Corruption("gaussian", snr_db=8), "gaussian-8dB"),
        (Corruption("gaussian", snr_db=-2.5), "gaussian--2.5dB"),
        (Corruption("motion", severity=3), "motion-3"),
        (Corruption("speckle", snr_db=10, where=1), "speckle-10dB@1"),
        (Corruption("salt_and_pepper", 2, where="background"), "salt_and_pepper-2@background"),
    ],
)
def test_keys_are_as_in_the_tables(corruption, key):
    assert corruption.key == key


@pytest.mark.parametrize(
    "arguments",
    [
        {"name": "snow", "severity": 1},
        {"name": "gaussian"},
        {"name": "gaussian", "severity": 1, "snr_db": 8.0},
        {"name": "gaussian", "severity": 0},
        {"name": "gaussian", "severity": 6},
        {"name": "gaussian", "severity": True},
        {"name": "gaussian", "severity": 2.5},
        {"name": "gaussian", "snr_db": float("nan")},
        {"name": "gaussian", "snr_db": float("inf")},
        {"name": "gaussian", "snr_db": "8"},
        {"name": "motion", "snr_db": 8.0},
        {"name": "gaussian", "severity": 1, "where": "hippocampus"},
        {"name": "gaussian", "severity": 1, "where": 0},
        {"name": "gaussian", "severity": 1, "where": True},
    ],
)
def test_what_is_no_corruption_is_refused_in_one_line(arguments):
    with pytest.raises(OptionError) as failure:
        Corruption(**arguments)
    assert "\n" not in str(failure.value)
    assert str(failure.value).startswith(f"corruption {arguments['name']}") or "'snow'" in str(failure.value)


@pytest.mark.parametrize(
    "text",
    ["", "gaussian", "gaussian-", "gaussian-dB", "gaussian-8db", "gaussian-3@", "motion-x", "-3", "3@@1"],
)
def test_a_text_that_names_nothing_is_refused(text):
    with pytest.raises(OptionError):
        parse(text)


def test_every_name_has_its_function():
    assert tuple(NOISE) == NOISES
    assert set(ARTIFACT) == set(ARTIFACTS)
    assert len(set(NAMES)) == len(NAMES) == 13
