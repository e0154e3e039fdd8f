"""What a study's file may say, and what its mistakes are called."""

from __future__ import annotations

from pathlib import Path

import pytest
from source_tree import ROOT

from trustseg_training.studies.definition import load_study
from TrustSegLib.errors import OptionError

STUDY = """\
title: Two networks
shared:
  structures: [Left, Right]
  epochs: 3
networks:
  later: {family: vdp, initialize_from: first, epochs: 1}
  first: {family: deterministic, seed: 1}
  second: {family: deterministic, seed: 2}
variants:
  other: {network: later, propagation: taylor, options: {temperature: 2}}
ensembles:
  both: [first, second]
compared: [first, both, later]
"""


def load(tmp_path: Path, text: str = STUDY):
    path = tmp_path / "two.yaml"
    path.write_text(text, encoding="utf-8")
    return load_study(path, Path("somewhere"), Path("runs"))


def test_networks_share_settings_and_have_their_own(tmp_path):
    study = load(tmp_path)
    assert study.networks["first"].epochs == 3
    assert study.networks["later"].epochs == 1
    assert {each.structures for each in study.networks.values()} == {("Left", "Right")}
    assert {each.data for each in study.networks.values()} == {str(Path("somewhere").absolute())}
    assert (study.name, study.checkpoint, study.compared) == ("two", "last", ("first", "both", "later"))


def test_variant_uses_the_weights_of_a_network_in_another_way(tmp_path):
    variant = load(tmp_path).variants["other"]
    assert (variant.network, variant.propagation, variant.options) == ("later", "taylor", {"temperature": 2})
    assert "other" not in load(tmp_path).networks


def test_what_others_start_from_is_trained_first(tmp_path):
    study = load(tmp_path)
    assert list(study.networks) == ["first", "second", "later"]
    assert study.networks["later"].initialize_from == str((Path("runs") / "first").absolute())


def test_cache_of_a_study_lies_beside_its_file_and_not_in_the_runs(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("two.yaml").write_text(STUDY.replace("epochs: 3", "cache: kept"), encoding="utf-8")
    study = load_study(Path("two.yaml"), Path("somewhere"), Path("runs"))
    assert {each.cache for each in study.networks.values()} == {str(tmp_path / "kept")}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("  epochs: 3", "  epochs: 2.5", "line 4: epochs is 2.5; a whole number is needed"),
        ("  epochs: 3", "  epoch: 3", "line 4: unknown setting 'epoch'; did you mean epochs?"),
        ("seed: 2", "seed: -2", "line 8: second: seed -2 is not valid"),
        ("  structures: [Left, Right]\n", "", "structures"),
        ("networks:", "nets:", "unknown part 'nets'"),
        ("title: Two networks\n", "", "title is missing"),
        ("initialize_from: first", "initialize_from: nobody", "later starts from nobody"),
        ("{network: later,", "{network: nobody,", "line 10: variant other needs"),
        ("{network: later, propagation: taylor,", "{", "line 10: variant other needs"),
        ("  other: {", "  first: {", "line 10: variant first needs a name of its own"),
        ("propagation: taylor", "propagaton: taylor", "line 10: unknown setting 'propagaton'"),
        ("both: [first, second]", "both: [first]", "line 12: ensemble both needs"),
        (
            "both: [first, second]",
            "first: [first, second]",
            "line 12: ensemble first needs a name",
        ),
        ("both: [first, second]", "both: [first, third]", "line 12: ensemble both needs"),
        (
            "compared: [first, both, later]",
            "compared: [first, nobody]",
            "line 13: nobody is not one of",
        ),
        ("compared: [first, both, later]", "compared: [first]", "line 13: name two or more"),
        ("compared: [first, both, later]", "compared: [first, first]", "line 13: name two or more"),
        ("compared:", "checkpoint: newest\ncompared:", "line 13: checkpoint 'newest'; choose best or last"),
        ("  second: {", "  first: {", "line 8: first stands on line 7 already"),
    ],
)
def test_mistake_in_a_study_is_named_with_its_line(tmp_path, old, new, message):
    assert old in STUDY
    with pytest.raises(OptionError) as caught:
        load(tmp_path, STUDY.replace(old, new, 1))
    assert str(caught.value).startswith(str(tmp_path / "two.yaml"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("path", sorted((ROOT / "Training" / "studies").glob("*.yaml")), ids=lambda p: p.stem)
def test_studies_of_the_repository_can_be_read(path):
    study = load_study(path, Path("data"), Path("runs"))
    assert study.networks
