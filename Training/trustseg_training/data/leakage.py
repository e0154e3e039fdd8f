"""Leakage: no patient whose images are in the starting weights may validate or test the new run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

from lightning.pytorch.utilities.rank_zero import rank_zero_info

from trustseg_training.config import FitConfiguration, is_run
from trustseg_training.dataset import SPLIT_TABLE, Case
from trustseg_training.dataset.tables import read_table
from TrustSegLib.errors import OptionError


def check_leakage(origin: Path, configuration: FitConfiguration, cases: Sequence[Case]) -> None:
    """Refuse weights that were trained with a patient on whom the new run is evaluated.

    Patients are identified by name, within data whose folder has the same name: other data may use the names
    for other people.

    Parameters
    ----------
    origin : Path
        Run to start from; those that it was started from count too.
    configuration : FitConfiguration
        Of the new run.
    cases : sequence of Case
        Of the new run, with their sets.

    Raises
    ------
    OptionError
        Naming the run and a patient.
    """
    held_out = {case.patient for case in cases if case.split != "train"}
    for run in _ancestry(origin):
        if Path(FitConfiguration.load(run).data).name != Path(configuration.data).name:
            continue
        trained = trained_patients(run)
        if trained is None:
            rank_zero_info(f"note: {run} does not say which patients trained it")
            continue
        known = sorted(held_out & trained)
        if known:
            raise OptionError(
                f"{run}: was trained with {len(known)} of the patients that this run is evaluated on, such "
                f"as {known[0]}; use the same split (split-seed, fold, folds, validation-fraction)"
            )


def trained_patients(run: Path) -> set[str] | None:
    """Patients that a run was trained on; None for a run from before the table of its split was written."""
    table = run / SPLIT_TABLE
    if not table.is_file():
        return None
    return {row["patient"] for row in read_table(table, ("patient", "split")) if row["split"] == "train"}


def _ancestry(run: Path) -> Iterator[Path]:
    """A run, the run that it was started from, and so on."""
    seen: set[Path] = set()
    while is_run(run) and run not in seen:
        yield run
        seen.add(run)  # a run may have been trained again from one of its descendants
        before = FitConfiguration.load(run).initialize_from
        if before is None:
            return
        run = Path(before)
    if run not in seen:
        rank_zero_info(
            f"note: {run}, the start of the weights, is no run on this computer: its patients are not known"
        )
