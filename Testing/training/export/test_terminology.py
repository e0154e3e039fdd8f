"""Codes of structures by their names."""

from __future__ import annotations

import pytest

from trustseg_training.export.terminology import structures_of, terminology_of


@pytest.mark.parametrize(
    ("name", "code", "modifier"),
    [
        ("Anterior hippocampus", "5366008", "255549009"),
        ("liver", "10200004", None),
        ("left_kidney", "64033007", "7771000"),
    ],
)
def test_known_names_have_their_codes(name, code, modifier):
    found = terminology_of(name)
    assert found.type.code == code
    assert (found.type_modifier and found.type_modifier.code) == modifier


@pytest.mark.parametrize(
    "name", ["tumor", "kidney tumor", "liver and spleen", "structure 1", "lung 2", "left", "Tum\u00f6r liver"]
)
def test_other_names_have_no_code_of_a_structure(name):
    assert terminology_of(name).type.meaning == "Anatomical Structure"
    assert terminology_of(name).type_modifier is None


def test_structures_are_numbered_and_have_colors_of_their_own():
    found = structures_of(["a", "b", "c"])
    assert [structure.label for structure in found] == [1, 2, 3]
    assert len({structure.color for structure in found}) == 3
