"""The project's own files, and what a Python file imports: what the tests of the repository read."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
FOLDERS = ("TrustSeg", "TrustSegLib", "Training", "Testing", "docs", ".ci")
# Left behind by tools; .gitignore names them too.
GENERATED = {
    *("__pycache__", ".ruff_cache", ".pytest_cache", ".hypothesis", ".coverage", ".DS_Store", ".git"),
    *("build", "runs", "lightning_logs"),
}


def is_source(path: Path) -> bool:
    """Whether a path below the root is written by people, and not left behind by a tool."""
    parts = path.relative_to(ROOT).parts
    return not any(part in GENERATED or part.endswith(".egg-info") for part in parts)


def files(folder: str, pattern: str = "*") -> list[Path]:
    """All files of ours below a folder of the repository, sorted."""
    found = (ROOT / folder).rglob(pattern)
    return sorted(path for path in found if path.is_file() and is_source(path))


def all_files() -> list[Path]:
    """All files of ours: those of the root, and of each folder."""
    root = sorted(path for path in ROOT.iterdir() if path.is_file() and is_source(path))
    return root + [path for folder in FOLDERS for path in files(folder)]


@dataclass(frozen=True)
class Import:
    """One imported name: `from a.b import c` is module `a.b`, name `c`; `import a.b` has no name."""

    module: str
    name: str | None
    at_file_scope: bool
    line: int

    @property
    def package(self) -> str:
        return self.module.partition(".")[0]

    @property
    def path(self) -> str:
        """Module and name together: `from TrustSegLib import moments` is `TrustSegLib.moments`."""
        return f"{self.module}.{self.name}" if self.name else self.module


def imports(path: Path, source_root: Path) -> list[Import]:
    """Every import of a file, relative ones resolved, those inside functions included.

    Parameters
    ----------
    path : Path
        The Python file.
    source_root : Path
        The folder on `sys.path` under which the file is imported.
    """
    package = path.relative_to(source_root).with_suffix("").parts[:-1]
    return list(_imports_of(path.read_text(encoding="utf-8"), package))


@cache
def _imports_of(text: str, package: tuple[str, ...]) -> tuple[Import, ...]:
    """Every test of the walls reads the same files."""
    tree = ast.parse(text)
    inside = {id(n) for block in ast.walk(tree) if _runs_later(block) for n in ast.walk(block)}
    return tuple(
        Import(module, name, id(node) not in inside, node.lineno)
        for node in ast.walk(tree)
        for module, name in _named(node, package)
    )


def _runs_later(node: ast.AST) -> bool:
    """Whether importing the file does not run this: a function, or what only a type checker reads."""
    if isinstance(node, ast.If):
        return isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"
    return isinstance(node, ast.FunctionDef)


def _named(node: ast.AST, package: tuple[str, ...]) -> Iterator[tuple[str, str | None]]:
    if isinstance(node, ast.Import):
        for alias in node.names:
            yield alias.name, None
    elif isinstance(node, ast.ImportFrom):
        above = package[: len(package) - node.level + 1] if node.level else ()
        module = ".".join([*above, *([node.module] if node.module else [])])
        for alias in node.names:
            yield module, alias.name
