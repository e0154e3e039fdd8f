"""Configuration files: what is read is what was written, and every mistake is named with its line."""

from __future__ import annotations

from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from trustseg_training.cli import main
from trustseg_training.config import FitConfiguration
from trustseg_training.config.yaml_file import load, read_settings, to_yaml
from TrustSegLib.errors import OptionError
from TrustSegLib.imaging import Normalization

MINIMUM = "data: images\nstructures: [A, B]\n"


def _written(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "c.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_every_setting_comes_back_as_it_was_written(tmp_path):
    configuration = FitConfiguration(
        data=str(tmp_path / "données"),
        structures=("no", "1", "Gyrus, left: é"),
        channels=("T1", "null"),
        normalization=Normalization("window", lower=-100.0, upper=1e7),
        label_map={4: 3, 200: 0},
        regions={"whole: all": (1, 2, 3), "yes": (3,)},
        mirrored_pairs={"no": "1"},
        class_weights=(0.1, 1.0, 2.0, 3.0),
        learning_rate=1e-5,
        gradient_clip=None,
        ema=0.999,
        fold=0,
        family_options={"passes": 7, "temperature": 1.5},
        initialize_from=str(tmp_path / "twin"),
    )
    lines = [f"{f.name}: {to_yaml(getattr(configuration, f.name))}" for f in fields(configuration)]
    again = load(_written(tmp_path, "\n".join(lines)))
    assert again == configuration
    assert asdict(again) == asdict(configuration)
    assert isinstance(again.family_options["passes"], int)


def test_configuration_json_holds_what_yaml_gave(tmp_path):
    text = MINIMUM + "label_map: {1: 2, 5: 1}\nregions: {all: [1, 2]}\nnormalization: {method: zscore}\n"
    configuration = load(_written(tmp_path, text))
    configuration.save(tmp_path)
    assert FitConfiguration.load(tmp_path) == configuration


@pytest.mark.parametrize("number", ["1e-3", "1.0e-3", "0.001"])
def test_number_with_an_exponent_is_a_number(tmp_path, number):
    assert load(_written(tmp_path, f"{MINIMUM}learning_rate: {number}\n")).learning_rate == 0.001


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("# c\n\nfliters: [4]\n", "line 3: unknown setting 'fliters'; did you mean filters?"),
        ("quux: 1\n", "line 1: unknown setting 'quux'; known are activation, architecture"),
        ("epochs: 2.5\n", "line 1: epochs is 2.5; a whole number is needed"),
        ("epochs: true\n", "line 1: epochs is True; a whole number is needed"),
        ("family: no\n", "line 1: family is False; text is needed"),
        ("spacing: [1, 1]\n", "line 1: spacing is [1, 1]; a list of 3 is needed"),
        ("structures: Liver\n", "line 1: structures is 'Liver'; a list is needed"),
        ("learning_rate: fast\n", "line 1: learning_rate is 'fast'; a number is needed"),
        ("regions: [1]\n", "line 1: regions is [1]; a mapping is needed"),
        ("normalization: {method: log}\n", "line 1: normalization is {'method': 'log'}; "),
        ("seed: 1\nseed: 2\n", "line 2: seed stands on line 1 already"),
        ("label_map:\n  1: 1\n  1: 2\n", "line 3: 1 stands on line 2 already"),
        ("epochs: [\n", "not YAML"),
        ("data: !!python/name:os.system\n", "not YAML"),
        ("- a\n", "line 1: not a mapping"),
        ("? [a]\n: 1\n", "line 1: unknown setting"),
    ],
)
def test_mistake_is_named_with_its_line_and_what_is_allowed(tmp_path, text, message):
    with pytest.raises(OptionError) as caught:
        read_settings(_written(tmp_path, text))
    assert str(caught.value).startswith(str(tmp_path / "c.yaml"))
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("patch: [40, 56, 38]", "patch (40, 56, 38) is not valid; give x y z in multiples of 4"),
        ("family: ensemble", "family 'ensemble' is not valid; choose one of vdp, deterministic"),
        ("batch_size: 0", "batch_size 0 is not valid; a whole number of at least 1"),
        ("fold: 5", "fold 5 is not valid; use 0 to 4"),
        (
            "label_map: {7: 3}",
            "label_map {7: 3} is not valid; map every value in the files to a label, 0 to 2",
        ),
        ("class_weights: [1, 1]", "class_weights (1.0, 1.0) is not valid; give 3 numbers"),
        ("filters: [0]", "filters (0,) is not valid"),
        ("upsampling: magic", "upsampling 'magic' is not valid"),
        ("orientation: RRS", "orientation 'RRS' is not valid"),
        ("channels: [a, a]", "channels ('a', 'a') is not valid"),
        (
            "mirrored_pairs: {A: C}",
            "mirrored_pairs {'A': 'C'} is not valid; pair names of structures, each at most once: A, B",
        ),
        ("mirrored_pairs: {A: A}", "mirrored_pairs {'A': 'A'} is not valid"),
        ("augmentation: planning_ct", "augmentation 'planning_ct' is not valid; it needs HU"),
    ],
)
def test_value_that_cannot_train_is_named_with_its_line(tmp_path, line, message):
    with pytest.raises(OptionError) as caught:
        load(_written(tmp_path, f"{MINIMUM}\n{line}\n"))
    assert str(caught.value).startswith(f"{tmp_path / 'c.yaml'}, line 4: {message}")


def test_places_start_at_the_file_and_not_at_the_terminal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sub").mkdir()
    path = _written(tmp_path / "sub", MINIMUM)
    assert Path(load(path).data) == tmp_path / "sub" / "images"


def test_missing_settings_and_files_are_named(tmp_path):
    with pytest.raises(OptionError, match=r"c\.yaml: structures is missing"):
        load(_written(tmp_path, "data: images\n"))
    with pytest.raises(OptionError, match=r"none\.yaml: cannot be read"):
        load(tmp_path / "none.yaml")
    (tmp_path / "c.yaml").write_bytes(b"data: \xff\n")
    with pytest.raises(OptionError, match=r"c\.yaml: cannot be read"):
        load(tmp_path / "c.yaml")


def test_command_line_overrides_the_file(dataset, tmp_path, capsys):
    text = f"data: {to_yaml(str(dataset))}\nstructures: [A, B]\nfilters: [4, 8]\npatch: [16, 16, 16]\n"
    path = _written(tmp_path, text + "family: deterministic\nbatch_size: 2\nepochs: 3\n")
    run = ["fit", "--config", str(path), "-o", str(tmp_path / "run"), "--accelerator", "cpu"]
    assert main([*run, "--epochs", "1"]) == 0
    expected = replace(load(path), epochs=1)
    assert FitConfiguration.load(tmp_path / "run") == expected
    assert main([*run, "--epochs", "0"]) == 2
    assert "error: epochs 0 is not valid" in capsys.readouterr().err


def test_fit_needs_data_and_structures_from_somewhere(tmp_path, capsys):
    assert main(["fit", "-o", str(tmp_path / "run"), "--structures", "A"]) == 2
    assert "error: data: missing; give it, or a file with --config" in capsys.readouterr().err
