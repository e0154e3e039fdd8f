"""What a model has met and what it has not: groups, rows of tables, and the section of a card."""

from __future__ import annotations

from trustseg_training.report.familiarity_tables import HEADS, familiarity_rows
from trustseg_training.report.markdown_tables import condition_tables
from trustseg_training.robustness.familiarity import familiarity
from trustseg_training.robustness.model_record import robustness_markdown, robustness_record

ECE = {"clean": 0.01, "gaussian-8dB": 0.02, "blur-3": 0.03, "motion-1": 0.04, "speckle-0dB@1": 0.07}
ECE |= {"fgsm-0.02": 0.5}
SEEN = {"fit": ["clean", "gaussian-2dB", "motion-5"], "training": ["blur", "gain", "gaussian"]}


def summary(seen: dict | None = None) -> dict:
    """One model whose Dice is 1 less ten times the ECE."""
    conditions = {
        key: {
            "structures": {
                "Left": {"dice": {"value": 1 - 10 * ece, "low": None, "high": None}, "hd95_mm": None}
            },
            "union_and_cut": {"union of all": {"dice": {"value": 0.95}, "hd95_mm": {"value": 1.5}}},
            "calibration": {"ece": {"value": ece, "low": None, "high": None}},
            "detection": {},
        }
        for key, ece in ECE.items()
    }
    found = {"conditions": {"m": conditions}, "pool": {"m": {}}, "models": {"m": "0"}}
    return found | ({} if seen is None else {"seen": {"m": seen}})


def test_families_are_seen_at_any_strength_and_attacks_are_left_out():
    found = familiarity(summary(SEEN), "m")
    assert [group.conditions for group in found.fit] == [
        ("gaussian-8dB", "motion-1"),
        ("blur-3", "speckle-0dB@1"),
    ]
    assert [(group.ece, group.worst) for group in found.fit] == [(0.04, "motion-1"), (0.07, "speckle-0dB@1")]
    assert [group.conditions for group in found.training] == [
        ("gaussian-8dB", "blur-3"),
        ("motion-1", "speckle-0dB@1"),
    ]
    assert found.neither.conditions == ("speckle-0dB@1",)
    assert round(found.training[0].dice, 6) == 0.75


def test_what_an_unknown_training_has_met_is_not_guessed():
    found = familiarity(summary({"fit": [], "training": None}), "m")
    assert (found.training, found.neither) == (None, None)
    assert found.fit[0].conditions == (), "a network without scales has no fit"
    assert familiarity(summary(), "m") is None, "a summary from before"


def test_tables_give_the_worst_error_of_seen_and_unseen_families_apart():
    (row,) = familiarity_rows(summary(SEEN))
    cells = dict(zip(HEADS, row, strict=True))
    assert cells["worst ECE, seen by the fit"] == ".040 (motion-1)"
    assert (
        cells["worst ECE, unseen by the fit"] == cells["worst ECE, unseen by both"] == ".070 (speckle-0dB@1)"
    )
    assert cells["fit saw"] == "clean, gaussian-2dB, motion-5"
    text = condition_tables(summary(SEEN))
    assert f"| {' | '.join(row)} |" in text
    assert "**Dice of union of all**" in text
    assert "Seen and unseen" not in condition_tables(summary())


def test_card_tells_families_that_the_fit_saw_from_the_others(tmp_path, monkeypatch):
    found = summary(SEEN)
    monkeypatch.setattr("trustseg_training.robustness.model_record.read_summary", lambda folder: found)
    record = robustness_record(tmp_path, "m") | {"title": "t", "data": "d", "split": "val", "patients": 3}
    text = robustness_markdown({**record, "network": {"options": {}}, "command": "c"})
    assert "were fitted on: clean, gaussian-2dB, motion-5." in text
    assert "0.040 of families that the fit saw (motion-1); 0.070 of families unseen by the fit" in text
