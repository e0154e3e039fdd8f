"""Which corruptions a training has touched, with those of the trainings that it was started from."""

from __future__ import annotations

from pathlib import Path

from trustseg_training.config import FitConfiguration
from trustseg_training.config.declaration import declarations
from trustseg_training.corruptions import NAMES
from trustseg_training.data import touched_families
from trustseg_training.data.augmented_families import KEY, TOUCHED


def _run(folder: Path, augmentation: str, origin: str | Path | None = None) -> Path:
    folder.mkdir()
    start = None if origin is None else str(origin)
    FitConfiguration("data", ("Left",), augmentation=augmentation, initialize_from=start).save(folder)
    return folder


def test_every_augmentation_is_known_and_leaves_most_corruptions_unseen():
    rule = declarations(FitConfiguration)["augmentation"].rule
    assert all(rule.valid(name) for name in TOUCHED)
    for families in TOUCHED.values():
        assert set(families) <= set(NAMES)
        assert len(families) < len(NAMES) / 2
    noises = {"rician", "poisson", "speckle", "salt_and_pepper"}
    assert not any(noises & set(families) for families in TOUCHED.values())


def test_what_the_twin_has_touched_is_touched(tmp_path):
    twin = _run(tmp_path / "twin", "noise")
    run = _run(tmp_path / "run", "default", twin)
    assert touched_families([run]) == sorted(TOUCHED["noise"])
    assert touched_families([_run(tmp_path / "other", "none")]) == []
    assert touched_families([_run(tmp_path / "b", "default"), twin]) == sorted(TOUCHED["noise"])


def test_start_that_does_not_say_it_makes_it_unknown(tmp_path, monkeypatch):
    run = _run(tmp_path / "run", "default", "some-bundle")
    assert touched_families([run]) is None
    monkeypatch.setattr(
        "trustseg_training.data.augmented_families.record_of_bundle", lambda origin: {KEY: ["gaussian"]}
    )
    assert touched_families([run]) == ["blur", "gain", "gamma", "gaussian"]
