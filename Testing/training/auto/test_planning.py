"""Plans of real data: their files, their fit to the computer, and what is said of them."""

from __future__ import annotations

import json

import pytest

from trustseg_training.auto import Request, planning
from trustseg_training.auto.record import Record
from trustseg_training.config.yaml_file import load
from trustseg_training.training import Times
from TrustSegLib.errors import OptionError


def _request(dataset, tmp_path, **asked) -> Request:
    request = Request(dataset, tmp_path / "my model", **{"minutes": 20.0, **asked})
    request.work.mkdir()
    return request


def _measured(monkeypatch, step: float, image: float = 0.01) -> list:
    """Give the times of a step, by voxels of a batch as on a real computer; return what was timed."""
    timed = []

    def given(configuration, *arguments):
        timed.append(configuration)
        x, y, z = configuration.patch
        return Times(step * x * y * z * configuration.batch_size / 16_000, image)

    monkeypatch.setattr(planning, "measure", given)
    return timed


def test_both_settings_files_train_by_the_plan(dataset, tmp_path, monkeypatch):
    timed = _measured(monkeypatch, 0.1)
    request = _request(dataset, tmp_path)
    record, lines = planning.make_plan(request, "cpu")
    twin, vdp = (load(request.work / f"{name}.yaml") for name in ("twin", "vdp"))
    assert [each.family for each in timed] == ["deterministic", "vdp"]
    assert (twin.family, vdp.family) == ("deterministic", "vdp")
    assert vdp.initialize_from == str(request.work / "twin")
    assert twin.augmentation == vdp.augmentation == "noise"
    assert vdp.learning_rate == twin.learning_rate / 2
    assert twin.epochs > vdp.epochs > 10
    assert f"{twin.epochs} epochs" in "\n".join(lines)
    assert Record.load(request.work) == record
    assert sum(record.seconds.values()) <= 20 * 60


def test_slow_computer_trains_fewer_steps_with_less_noise(dataset, tmp_path, monkeypatch):
    epochs = {}
    for name, step in (("fast", 0.1), ("slow", 1.0)):
        _measured(monkeypatch, step)
        request = Request(dataset, tmp_path / name, 20.0)
        request.work.mkdir()
        planning.make_plan(request, "cpu")
        epochs[name] = load(request.work / "twin.yaml")
    assert epochs["fast"].epochs > 5 * epochs["slow"].epochs
    assert (epochs["fast"].augmentation, epochs["slow"].augmentation) == ("noise", "default")


def test_very_slow_computer_gets_smaller_steps_and_a_warning(dataset, tmp_path, monkeypatch):
    timed = _measured(monkeypatch, 60.0)
    record, lines = planning.make_plan(_request(dataset, tmp_path), "cpu")
    batches = [each.batch_size for each in timed if each.family == "deterministic"]
    assert batches == [4, 2]
    assert any("the model will be rough" in warning for warning in record.warnings)
    assert "warning: on this computer, 20 minutes are too short: it will take" in lines[-1]


def test_few_validation_patients_are_said(dataset, tmp_path, monkeypatch):
    _measured(monkeypatch, 0.1)
    record, _ = planning.make_plan(_request(dataset, tmp_path), "cpu")
    assert any("only 2 validation patients" in warning for warning in record.warnings)


def test_names_of_the_data_are_those_of_the_model(dataset, tmp_path, monkeypatch):
    _measured(monkeypatch, 0.1)
    names = {"modality": {"0": "MRI"}, "labels": {"0": "background", "1": "Left kidney", "2": "Tumor"}}
    (dataset / "dataset.json").write_text(json.dumps(names), encoding="utf-8")
    request = _request(dataset, tmp_path, name="kidney-1")
    record, _ = planning.make_plan(request, "cpu")
    assert load(request.work / "vdp.yaml").structures == ("Left kidney", "Tumor")
    assert record.modality == "MR"
    assert json.loads((request.work / "details.json").read_text()) == {"name": "kidney-1", "modality": "MR"}


@pytest.mark.parametrize(
    ("channels", "modality"),
    [
        (("MRI",), "MR"),
        (("T1", "T1-Gd", "FLAIR"), "MR"),
        (("CT",), "CT"),
        (("CT", "PET"), None),
        (("T1", "unknown"), None),
        (("image",), None),
    ],
)
def test_modality_is_that_of_all_channels_or_none(channels, modality):
    assert planning.modality_of_channels(channels) == modality


def test_damaged_plan_is_refused_with_a_way_out(tmp_path):
    (tmp_path / "plan.json").write_text("{", encoding="utf-8")
    with pytest.raises(OptionError, match=r"plan.json: not a plan .*remove .* to start over"):
        Record.load(tmp_path)
