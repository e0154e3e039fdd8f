"""The documentation builds without a warning, loads nothing from the network, and its commands are real."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import urlparse

import pytest
from source_tree import ROOT, files

from trustseg_training import cli as training_cli
from TrustSegLib import cli as library_cli

FRONT = [ROOT / name for name in ("README.md", "CONTRIBUTING.md")]
"""Pages that GitHub shows as they are; the build checks the links of the others."""
PAGES = [*FRONT, *files("docs", "*.md")]
LOADING = {"script": "src", "img": "src", "iframe": "src", "link": "href", "source": "src", "video": "src"}
FENCE = re.compile(r"^ *```(\w*)\n(.*?)^ *```$", re.MULTILINE | re.DOTALL)
PARSERS = {"trustseg": library_cli.build_parser, "trustseg-train": training_cli._parser}


@pytest.fixture(scope="module")
def site(tmp_path_factory) -> Path:
    """The built pages; warnings are errors."""
    folder = tmp_path_factory.mktemp("docs")
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "true"}
    # Not --quiet: warnings that are not printed are not counted either.
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_docs_build_without_a_warning(site: Path):
    assert (site / "index.html").is_file()


class _Loaded(HTMLParser):
    """Addresses that a browser loads with a page; those of mere links are not among them."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag, attrs):
        address = dict(attrs).get(LOADING.get(tag, ""))
        if address and dict(attrs).get("rel") not in {"canonical", "next", "prev"}:
            self.addresses.append(address)


def loaded(path: Path) -> list[str]:
    """Addresses that a page or a style sheet loads."""
    text = path.read_text("utf-8")
    if path.suffix == ".css":
        return re.findall(r"url\(\s*['\"]?(?!data:)([^'\")]+)|@import\s+['\"]([^'\"]+)", text)
    parser = _Loaded()
    parser.feed(text)
    return parser.addresses


def test_pages_load_nothing_from_the_network(site: Path):
    external = [
        f"{path.relative_to(site)}: {address}"
        for path in sorted([*site.rglob("*.html"), *site.rglob("*.css")])
        for address in loaded(path)
        if urlparse("".join(address)).netloc
    ]
    assert not external, "\n".join(external)


def test_formulas_are_drawn_as_mathml(site: Path):
    page = (site / "method.html").read_text("utf-8")
    assert page.count("<math") > 30
    assert "$" not in re.sub(r"<(script|style).*?</\1>", "", page, flags=re.DOTALL)


def test_tables_of_the_studies_are_in_the_results(site: Path):
    page = (site / "results" / "former-split.html").read_text("utf-8")
    table = (ROOT / "Training/studies/results/hippocampus-families/study.md").read_text("utf-8")
    cells = [cell.strip() for cell in table.splitlines()[-1].strip("|").split("|")]
    assert all(f"<td>{cell}</td>" in page for cell in cells)


def commands() -> Iterator[tuple[str, str]]:
    """Every command of ours in a code block of the documentation, with the name of its page."""
    for page in PAGES:
        for language, block in FENCE.findall(page.read_text("utf-8")):
            if language:
                continue
            for line in block.replace("\\\n", " ").splitlines():
                line = line.strip().removeprefix(".venv/bin/").partition(" | ")[0]
                if line.split(" ")[0] in PARSERS:
                    yield page.relative_to(ROOT).as_posix(), line


@pytest.mark.parametrize(("page", "command"), sorted(set(commands())))
def test_command_of_the_documentation_is_accepted(page: str, command: str):
    program, *arguments = shlex.split(command, comments=True)
    assert PARSERS[program]().parse_args(arguments)


def test_every_file_that_the_documentation_names_is_there():
    named = re.compile(r"`((?:TrustSegLib|TrustSeg|Training|Testing|docs)/[\w./-]+)`")
    missing = [
        f"{page.relative_to(ROOT)}: {name}"
        for page in PAGES
        for name in named.findall(page.read_text("utf-8"))
        if "NAME" not in name and not (ROOT / name).exists()
    ]
    assert not missing, "\n".join(missing)


def test_relative_links_of_the_front_pages_lead_to_files():
    missing = [
        f"{page.relative_to(ROOT)}: {link}"
        for page in FRONT
        for link in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8"))
        if not urlparse(link).scheme and not (page.parent / link).exists()
    ]
    assert not missing, "\n".join(missing)


@pytest.mark.parametrize("page", ["README.md", "docs/results/index.md", "docs/results/hippocampus.md"])
def test_figures_come_with_the_split_that_they_were_measured_on(page: str):
    text = " ".join((ROOT / page).read_text("utf-8").lower().split())
    assert "split by scan" in text
    assert "38 patients" in text
