"""What verifications found of the exported weights, for the bundle's `metrics.json` and its card."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trustseg_training.judging import ensemble_subject, load_subject
from trustseg_training.verification.verdict import verdict_markdown, verdict_of
from TrustSegLib.errors import OptionError

TITLE = "## Verification"


@dataclass(frozen=True)
class Verdicts:
    """Which verifications a bundle tells of.

    Attributes
    ----------
    folders : tuple of Path
        That `trustseg-train verify` wrote, one for each suite.
    name : str or None
        Of the model there; None: that of the run's folder.
    """

    folders: tuple[Path, ...] = ()
    name: str | None = None

    def read(self, runs: Sequence[Path], checkpoint: str) -> list[dict[str, Any]]:
        """Read the verdict of each, making sure that it is of these weights.

        Raises
        ------
        OptionError
            A folder holds no verification of this model, or one of other weights; or an ensemble has no name.
        """
        if not self.folders:
            return []
        several = len(runs) > 1
        if several and self.name is None:
            raise OptionError("export: an ensemble has no name of its own; give --verdict-name")
        name = self.name or runs[0].absolute().name
        subject = ensemble_subject(name, runs, checkpoint) if several else load_subject(runs[0], checkpoint)
        return [verdict_of(folder, name, subject.model.sha256) for folder in self.folders]


def verification_section(verdicts: Sequence[Mapping[str, Any]]) -> str:
    """Markdown of all verdicts under one heading."""
    texts = [verdict_markdown(verdict).removeprefix(TITLE).strip("\n") for verdict in verdicts]
    return "\n\n".join([TITLE, *texts])
