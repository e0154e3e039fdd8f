"""Which room of a package may import which: what the tests of the walls share."""

from __future__ import annotations

from graphlib import CycleError, TopologicalSorter
from pathlib import Path

from source_tree import ROOT, Import, files, imports

MayKnow = dict[str, set[str]]


def where(path: Path, found: Import) -> str:
    """One import, for a person to find."""
    return f"{path.relative_to(ROOT)}:{found.line} imports {found.path}"


def imports_of(package: str, source_root: Path = ROOT) -> list[tuple[Path, Import]]:
    """Every import of every file of a package that stands in ``source_root``."""
    folder = (source_root / package).relative_to(ROOT).as_posix()
    return [(path, found) for path in files(folder, "*.py") for found in imports(path, source_root)]


def room(module: str) -> str:
    """The room a dotted name stands in: `TrustSegLib.moments.gaussian` is in `moments`."""
    parts = module.split(".")
    return parts[1] if len(parts) > 1 else "__init__"


def room_of(path: Path, package: str, source_root: Path = ROOT) -> str:
    """The room a file stands in: a folder of the package, or the file itself."""
    return path.relative_to(source_root / package).with_suffix("").parts[0]


def rooms(package: str, source_root: Path = ROOT) -> set[str]:
    """Every room of a package."""
    return {room_of(path, package, source_root) for path, _ in imports_of(package, source_root)}


def broken(package: str, may_know: MayKnow, source_root: Path = ROOT) -> list[str]:
    """The imports from a room that the importing one may not know."""
    found_in = [
        (room_of(path, package, source_root), path, found)
        for path, found in imports_of(package, source_root)
        if found.package == package
    ]
    return [
        where(path, found)
        for own, path, found in found_in
        if room(found.path) not in may_know.get(own, set()) | {own}
    ]


def circle(may_know: MayKnow) -> set[str]:
    """Rooms of a table that know each other in a circle, or stand on one; none in a sound table."""
    rest = dict(may_know)
    while free := [name for name, known in rest.items() if not known & set(rest)]:
        for name in free:
            del rest[name]
    return set(rest)


def import_circle(package: str, source_root: Path = ROOT) -> list[str]:
    """Files of a package that import each other in a circle, the first again at the end; empty if none do.

    Imports inside functions and those for annotations count: a file should be read without those that use it.
    """
    names = {
        path: _dotted(path, source_root)
        for path in files((source_root / package).relative_to(ROOT).as_posix(), "*.py")
    }
    graph: dict[str, set[str]] = {name: set() for name in names.values()}
    for path, found in imports_of(package, source_root):
        graph[names[path]].add(found.path if found.path in graph else found.module)
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def _dotted(path: Path, source_root: Path) -> str:
    parts = path.relative_to(source_root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
