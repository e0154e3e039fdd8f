"""The model card: what the model is, what it was made from and how, and what was measured."""

from __future__ import annotations

import csv
import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

from trustseg_training.config import FitConfiguration, is_run
from trustseg_training.config.declaration import default_of
from trustseg_training.config.settings import PLACES, concerns
from trustseg_training.formatting import decimal, length, markdown_table
from trustseg_training.training import BEST
from TrustSegLib.bundle import Locator
from TrustSegLib.bundle.description import Structure
from TrustSegLib.errors import OptionError

from .terminology import structures_of

_LOSS, _SCORE = "train/loss", "val/dice"


@dataclass(frozen=True)
class Details:
    """Description of a model, by a person as far as it goes: see ``Training/models`` for an example."""

    name: str
    version: str
    description: str
    modality: str
    channels: list[str]
    license: str
    data: str
    data_license: str
    limits: list[str]
    structures: list[Structure]
    locator: Locator | None = None
    body_parts: tuple[str, ...] = ()

    @classmethod
    def of_run(cls, configuration: FitConfiguration, bundle: Path, modality: str) -> Details:
        """What a run says of itself; ``bundle``, the folder to write, names the model."""
        data = Path(configuration.data).name
        data = Path(data).stem if data.lower().endswith(".csv") else data
        name = re.sub("[^A-Za-z0-9._-]+", "-", bundle.absolute().name).strip("-._")[:64] or "model"
        return cls(
            name=name,
            version="0.1.0",
            description=f"{', '.join(configuration.structures)} in {', '.join(configuration.channels)}.",
            modality=modality,
            channels=list(configuration.channels),
            license="not stated",
            data=data,
            data_license="not stated",
            limits=[f"One data set, {data}; images of other origin were not measured."],
            structures=structures_of(configuration.structures),
        )

    @classmethod
    def read(cls, path: Path, known: Details) -> Details:
        """Read a JSON file; what it does not have stays as ``known``.

        Raises
        ------
        OptionError
            The file is missing or not JSON, or has a key that this class does not have.
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise OptionError(f"{path}: cannot be read as JSON ({error}); see Training/models") from error
        expected = {field.name for field in fields(cls)}
        if not isinstance(values, dict) or not set(values) <= expected:
            raise OptionError(f"{path}: may have the keys {', '.join(sorted(expected))} and no other")
        readers = {"structures": _structures, "locator": Locator.from_dict, "body_parts": tuple}
        for key, reader in readers.items():
            if key in values:
                try:
                    values[key] = reader(values[key])
                except (KeyError, TypeError, ValueError, AttributeError) as error:
                    what = key.removesuffix("s")
                    raise OptionError(
                        f"{path}: {what} not complete ({error}); see Training/models"
                    ) from error
        return replace(known, **values)


def _structures(entries: list[dict[str, Any]]) -> list[Structure]:
    return [Structure.from_dict(entry) for entry in entries]


def model_card(
    details: Details,
    configuration: FitConfiguration,
    runs: Sequence[Path],
    patients: dict[str, int],
    summary: dict,
    checkpoint: str,
) -> str:
    """Write the card as Markdown.

    Parameters
    ----------
    details : Details
        Written by a person.
    configuration : FitConfiguration
        Of the first run.
    runs : sequence of Path
        Run folders; several are the members of an ensemble. The log of the first one is shown.
    patients : dict
        Number of patients per set.
    summary : dict
        Of `exporting.summarize`, on the validation patients.
    checkpoint : str
        Whose weights these are, `training.BEST` or `training.LAST`.

    Returns
    -------
    str
    """
    chosen = _choice_of_epoch(configuration, checkpoint)
    sections = [
        f"# {details.name} {details.version}",
        f"{details.description}\n\n**Research use only.** Not a medical device.",
        "## What was measured\n\n" + _validation_table(patients, summary, chosen),
        "## Limits\n\n" + "\n".join(f"- {limit}" for limit in details.limits),
        *_locator_section(details.locator),
        "## How it was made\n\n" + _making(details, configuration, runs, patients),
        "## Log\n\n" + _log_table(runs[0]),
        f"## License\n\nWeights: {details.license}. Data: {details.data_license}.",
    ]
    return "\n\n".join(sections) + "\n"


def _locator_section(locator: Locator | None) -> list[str]:
    """What a whole scan is searched by, with the attribution of the atlas."""
    if locator is None:
        return []
    fields = ", ".join(field.name.lower() for field in locator.fields_of_view)
    return [
        f"## Whole scans\n\nA scan of a whole {locator.anatomy} is searched for each {locator.organ} "
        f"({fields}) by registration to an atlas, and what is found is segmented like a crop. Atlas: "
        f"{locator.source}"
    ]


def _choice_of_epoch(configuration: FitConfiguration, checkpoint: str) -> str:
    """How the patients of the table had an influence on the weights."""
    if checkpoint == BEST:
        return "the epoch was chosen on them"
    if configuration.early_stopping is not None:
        return "the weights are of the last epoch, but early stopping ended the run by them"
    return "the weights are of the last epoch, which was not chosen on them"


def _validation_table(patients: dict[str, int], summary: dict, chosen: str) -> str:
    count = patients["validation"]
    lines = [
        f"{count} validation patients{_images(summary, count)}, who trained no weight; {chosen}. "
        "Per whole volume, mean over patients.\n",
        markdown_table(
            ["structure", "DSC mean", "DSC sd", "DSC lowest", "HD95, mm"],
            [
                [
                    structure,
                    *(decimal(row[f"dice_{statistic}"]) for statistic in ("mean", "std", "min")),
                    length(row["hd95_mm_mean"]),
                ]
                for structure, row in summary.items()
            ],
        ),
    ]
    missing = sum(row["hd95_missing"] for row in summary.values())
    if missing:
        lines.append(f"\nHD95 leaves out {missing} of them, with an empty prediction or truth.")
    return "\n".join(lines)


def union_section(summary: dict) -> str:
    """Markdown of the errors of union and cut, apart from each other: see `metrics.union_and_cut`.

    Parameters
    ----------
    summary : dict
        Of `exporting.summarize`, on the rows of union and cut.
    """
    rows = [[title, decimal(row["dice_mean"]), length(row["hd95_mm_mean"])] for title, row in summary.items()]
    return "\n".join(
        [
            "## Union and cut\n",
            "The same images: the union of all structures against the true one, and each structure if only "
            "one kind of error was left. With a perfect cut, the model's union is cut as the truth is; with "
            "a perfect union, the true union as the model cuts.\n",
            markdown_table(["mask", "DSC mean", "HD95, mm"], rows),
        ]
    )


def _images(summary: dict, patients: int) -> str:
    images = max((row["images"] for row in summary.values()), default=patients)
    return "" if images == patients else f" ({images} images; every patient counts once)"


def _making(
    details: Details, configuration: FitConfiguration, runs: Sequence[Path], patients: dict[str, int]
) -> str:
    origins = _origins(configuration)
    commands = [*origins, *(command_line(FitConfiguration.load(run)) for run in runs)]
    family = f"`{configuration.family}`"
    if len(runs) > 1:
        family = f"`ensemble` of {len(runs)} {family} members, which differ in their seed, the first one with"
    start = _start(configuration)
    return "\n".join(
        [
            f"- Data: {details.data}.",
            f"- Patients: {patients['train']} for training, {patients['validation']} others for validation.",
            f"- Family {family}, propagation `{configuration.propagation}`, seed "
            f"{configuration.seed}, {configuration.epochs} epochs{start}.",
            "- Commands:\n",
            "```",
            *commands,
            "```",
        ]
    )


def _start(configuration: FitConfiguration) -> str:
    """What was learned before the first epoch."""
    if configuration.initialize_from is None:
        return ""
    origin = Path(configuration.initialize_from)
    if is_run(origin) and FitConfiguration.load(origin).family != configuration.family:
        return f", started from its {FitConfiguration.load(origin).family} twin"
    return f", started from the weights of {origin.name}"


def _origins(configuration: FitConfiguration) -> list[str]:
    """Commands of the runs that this one was started from, the first one first, as far as they are there."""
    commands: list[str] = []
    seen: set[Path] = set()
    while configuration.initialize_from is not None:
        run = Path(configuration.initialize_from)
        if run in seen or not is_run(run):  # a bundle has its own in its card
            break
        seen.add(run)
        configuration = FitConfiguration.load(run)
        command = command_line(configuration)
        commands.insert(0, command.replace("--output RUN", shlex.join(["--output", run.name])))
    return commands


def _log_table(run: Path) -> str:
    """One line per epoch from Lightning's CSV logs: one file per start of the run, the later one holds."""
    epochs: dict[int, dict[str, str]] = {}
    for path in sorted((run / "csv").rglob("metrics.csv"), key=lambda path: path.stat().st_mtime_ns):
        with path.open(newline="", encoding="utf-8") as stream:
            for row in csv.DictReader(stream):
                if row.get("epoch"):  # the log of a start that ended in its first epoch has no such column
                    known = {key: value for key, value in row.items() if _is_logged(key) and value}
                    epochs.setdefault(int(row["epoch"]), {}).update(known)
    found = {name for row in epochs.values() for name in row}
    columns = sorted(found, key=lambda name: (name != _LOSS, name == _SCORE, _is_region(name), name))
    rows = []
    for epoch, row in sorted(epochs.items()):
        cells = (f"{float(row[name]):.4f}" if name in row else "" for name in columns)
        rows.append([str(epoch + 1), *cells])
    return markdown_table(["epoch", *columns], rows)


def _is_logged(name: str) -> bool:
    """The loss, and the Dice of every structure and region."""
    return name in (_LOSS, _SCORE) or name.startswith(f"{_SCORE}_")


def _is_region(name: str) -> bool:
    return not name.removeprefix(f"{_SCORE}_").isdigit()


def command_line(configuration: FitConfiguration) -> str:
    """`trustseg-train fit` with every option that has an effect and is not the default; folders by name."""
    words = ["trustseg-train", "fit", Path(configuration.data).name]
    for field in fields(configuration):
        value = getattr(configuration, field.name)
        if field.name != "data" and value != default_of(field) and concerns(field.name, configuration.family):
            words += _option(field.name, value)
    return shlex.join(words) + " --output RUN"


def _option(name: str, value: Any) -> list[str]:
    if isinstance(value, dict) or is_dataclass(value):  # has parts: see `--set`
        content = asdict(value) if is_dataclass(value) else value
        return ["--set", f"{name}={json.dumps(content)}"]
    value = Path(value).name if name in PLACES else value
    values = value if isinstance(value, tuple) else (value,)
    return [f"--{name.replace('_', '-')}", *("none" if part is None else str(part) for part in values)]
