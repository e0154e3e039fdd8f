"""The subjects of a verification from what its command says of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trustseg_training.dataset import Case
from trustseg_training.judging import Subject, ensemble_subject, load_subject, varied
from trustseg_training.run import BEST
from TrustSegLib.errors import OptionError

from .cross_fitting import cross_fitted


@dataclass(frozen=True)
class Roster:
    """Who is judged, by folders and names.

    Attributes
    ----------
    models : sequence of Path
        Run folders, bundles or names of bundled models.
    ensembles : mapping of str to sequence of Path
        Runs that are the members of one ensemble, by its name.
    variants : mapping of str to (Path, str)
        A run and the propagation it is passed through with, by the variant's name.
    tempered : sequence of str
        Names of subjects that are judged with a cross-fitted temperature too.
    checkpoint : str
        Of all runs, `run.BEST` or `run.LAST`; a bundle has one set of weights.
    """

    models: Sequence[Path]
    ensembles: Mapping[str, Sequence[Path]] = field(default_factory=dict)
    variants: Mapping[str, tuple[Path, str]] = field(default_factory=dict)
    tempered: Sequence[str] = ()
    checkpoint: str = BEST

    @property
    def words(self) -> list[str]:
        """What a command says of them; places by their last name."""
        words = [path.name for path in self.models]
        for name, runs in self.ensembles.items():
            words += ["--ensemble", name, *(run.name for run in runs)]
        for name, (run, propagation) in self.variants.items():
            words += ["--variant", f"{name}={run.name}:{propagation}"]
        words += ["--temperature", *self.tempered] if self.tempered else []
        return words + ([] if self.checkpoint == BEST else ["--checkpoint", Path(self.checkpoint).stem])

    def load(self) -> list[Subject]:
        """All but those with a temperature, which needs the data.

        Raises
        ------
        TrustSegError
            One of them cannot be used.
        """
        return [
            *(load_subject(path, self.checkpoint) for path in self.models),
            *(ensemble_subject(name, runs, self.checkpoint) for name, runs in self.ensembles.items()),
            *(
                varied(load_subject(run, self.checkpoint), name, propagation)
                for name, (run, propagation) in self.variants.items()
            ),
        ]


def with_temperatures(
    subjects: Sequence[Subject],
    names: Sequence[str],
    cases: Mapping[str, Sequence[Case]],
    seed: int,
    device: str,
) -> list[Subject]:
    """The subjects, and behind them those of these names with a cross-fitted temperature.

    Raises
    ------
    OptionError
        There is no subject of a name, or it can have no temperature.
    """
    known = {subject.name: subject for subject in subjects}
    for name in names:
        if name not in known:
            raise OptionError(f"temperature {name}: no such model; name one of {', '.join(known)}")
    return [*subjects, *(cross_fitted(known[name], cases[name], seed, device) for name in names)]


def parse_variant(text: str) -> tuple[str, tuple[Path, str]]:
    """Read ``NAME=RUN:PROPAGATION``.

    Raises
    ------
    OptionError
        It is not of that form, or the name leads out of a folder.
    """
    name, _, rest = text.partition("=")
    run, _, propagation = rest.rpartition(":")
    if not (name and run and propagation):
        raise OptionError(f"variant {text!r}: write it like vdp-correlated=runs/vdp:correlated")
    _check_name(name, "--variant")
    return name, (Path(run), propagation)


def parse_group(words: Sequence[str], option: str) -> tuple[str, list[str]]:
    """A name and what belongs to it, of an option's words.

    Raises
    ------
    OptionError
        Fewer than two things belong to it, or the name of an ensemble leads out of a folder.
    """
    if len(words) < 3:
        raise OptionError(f"{option} {' '.join(words)}: give a name and at least two of its members")
    if option == "--ensemble":
        _check_name(words[0], option)
    return words[0], list(words[1:])


def _check_name(name: str, option: str) -> None:
    """A folder of the output is named so."""
    if not name or name == "." or any(each in name for each in ("/", "\\", "..")):
        raise OptionError(f"{option} {name!r}: no name of a folder; choose one without / and \\ and ..")
