"""`report.html`: one self-contained file for screen and paper, with what is needed to reproduce it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from trustseg_training.robustness import Suite, Verified
from trustseg_training.robustness.tables import Tables
from TrustSegLib.contract import HTML_FILE, INTENDED_USE
from TrustSegLib.report.files import write_atomically
from TrustSegLib.version import __version__ as library_version

from . import familiarity_tables, sentences
from .definitions import definitions
from .drawing import Picture
from .examples import Example, choose_examples, example_picture, examples_of
from .gallery import chapters
from .named_conditions import ARTIFACTS, ATTACKS, CLEAN_GROUP, NOISE, NamedCondition, named_conditions
from .readings import Summary, patients, structures_of
from .tables import (
    HEADS,
    Comparison,
    comparison_table,
    comparisons_of,
    pool_table,
    skipped_lines,
    voxel_table,
)
from .trainings import groups_of
from .trainings_page import trainings_section

_PACKAGES = ("torch", "monai", "torchio", "numpy", "scipy", "SimpleITK", "pandas", "matplotlib")
NOT_RECORDED = "not recorded"


def report_of(verified: Verified, output: Path, device: str = "cpu") -> Path:
    """Write the report of a verification, with pictures of two cases; ``device`` is for these.

    Raises
    ------
    TrustSegError
        A case cannot be read anymore, or the file cannot be written.
    """
    names, shown = choose_examples(verified.tables, verified.suite)
    cases = [case for case in verified.cases if case.name in names]
    examples = examples_of(verified.models, cases, shown, verified.seed, device)
    return write_report(output, verified.tables, verified.summary, verified.suite, examples)


def write_report(
    output: Path, tables: Tables, summary: Mapping[str, Any], suite: Suite, examples: Sequence[Example] = ()
) -> Path:
    """Write the report of a verification.

    Parameters
    ----------
    output : Path
        Folder to write into.
    tables : Tables
        Everything that was measured.
    summary : mapping
        Content of ``summary.json``: the result of `robustness.summary.summarize` with ``models`` (their
        SHA-256), ``suite``, ``title``, ``seed`` and ``cases``; optional are ``command``, ``data``, ``split``
        and ``versions``, and ``seeds`` with ``seed_differences`` for groups.
    suite : Suite
        The conditions.
    examples : sequence of Example
        From `examples_of`.

    Returns
    -------
    Path
        ``report.html`` in the folder.

    Raises
    ------
    OutputError
        The file cannot be written.
    """
    conditions = named_conditions(suite)
    comparisons = comparisons_of(summary)
    drawn = chapters(summary, tables, conditions)
    text = _template().render(
        title=summary["title"],
        intended_use=INTENDED_USE,
        first=next(iter(summary["conditions"])),
        structures=structures_of(summary),
        **_sentences(summary, tables, conditions, comparisons),
        rows=comparison_table(summary, tables, conditions, comparisons),
        skipped=skipped_lines(tables, conditions),
        voxel_heads=HEADS,
        familiar_caption=familiarity_tables.CAPTION,
        familiar_heads=familiarity_tables.HEADS,
        familiar_rows=familiarity_tables.familiarity_rows(summary),
        voxel_rows=voxel_table(summary, conditions),
        chapters=drawn,
        pool=pool_table(summary),
        trainings=trainings_section(summary, conditions, 1 + sum(len(each.pictures) for each in drawn)),
        examples=_pictures(examples, conditions, tables),
        definitions=definitions(bool(groups_of(summary))),
        provenance=provenance(summary),
    )
    path = output / HTML_FILE
    write_atomically(path, text.encode("utf-8"))
    return path


def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("trustseg_training.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    # Our own drawings; names are escaped where they are drawn.
    environment.filters["drawn"] = lambda picture: Markup(picture.html)
    return environment.get_template("report.html.jinja")


def _sentences(
    summary: Summary,
    tables: Tables,
    conditions: Sequence[NamedCondition],
    comparisons: Sequence[Comparison],
) -> dict[str, Any]:
    """The parts of the physician's summary."""
    models, number = list(summary["conditions"]), patients(tables)
    groups = (CLEAN_GROUP, NOISE, ARTIFACTS, ATTACKS)
    lists = {
        "best": [sentences.best(summary, conditions, group) for group in groups],
        "significant": [sentences.significant(comparisons, model, models[0]) for model in models[1:]],
        "failures": [sentences.failures(summary, conditions, model) for model in models],
        "warnings": [_warning(summary, conditions, model) for model in models],
    }
    return {
        "measured": sentences.measured(summary, conditions, number, summary["title"], summary.get("split")),
        "caution": " ".join(filter(None, (sentences.caution(number), sentences.fitted_here(summary)))),
        **{name: [each for each in lines if each] for name, lines in lists.items()},
    }


def _warning(summary: Summary, conditions: Sequence[NamedCondition], model: str) -> str:
    parts = (
        sentences.warns(summary, model),
        sentences.wrong_voxels(summary, conditions, model),
        sentences.no_variance(summary, model),
    )
    return " ".join(part for part in parts if part)


def _pictures(
    examples: Sequence[Example], conditions: Sequence[NamedCondition], tables: Tables
) -> list[Picture]:
    titles = {each.key: each.title for each in conditions}
    means = tables.cases.groupby("case")["dice"].mean()
    worst = means.idxmin()
    return [
        example_picture(
            each,
            titles.get(each.condition, each.condition),
            "the case with the lowest Dice" if each.case == worst else "the case nearest the median Dice",
        )
        for each in examples
    ]


def provenance(summary: Summary) -> list[tuple[str, str]]:
    """Names and values of what is needed to reproduce the report, as far as the summary has them."""
    models = [(f"Model {name}, SHA-256", digest) for name, digest in summary.get("models", {}).items()]
    return [
        *models,
        ("Command", summary.get("command", NOT_RECORDED)),
        ("Data", summary.get("data", NOT_RECORDED)),
        ("Set", summary.get("split", NOT_RECORDED)),
        ("Suite", f"{summary.get('suite', '')}: {summary.get('title', '')}"),
        ("Seed", str(summary.get("seed", NOT_RECORDED))),
        ("Images of each model", str(summary.get("cases", NOT_RECORDED))),
        *_versions(summary),
    ]


def _versions(summary: Summary) -> list[tuple[str, str]]:
    recorded = summary.get("versions")
    if recorded:
        return [("Measured with", _joined(recorded))]
    ours = {"trustseg-training": _version("trustseg-training"), "trustseg": library_version}
    return [("This report written with", _joined(ours | {name: _version(name) for name in _PACKAGES}))]


def _joined(versions: dict[str, str]) -> str:
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return NOT_RECORDED
