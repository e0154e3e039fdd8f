"""MkDocs hooks: formulas as MathML, and tables, pictures and links from outside of `docs`.

Browsers draw MathML themselves, so that no page loads anything from the network. The sources stay readable on
GitHub, which draws the same formulas and follows the same relative links.
"""

from __future__ import annotations

import logging
import os
import posixpath
import re
from pathlib import Path

from latex2mathml.converter import convert
from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
REPOSITORY = "https://github.com/TrustSeg/SlicerTrustSeg/blob/main/"
PICTURES = {".png"}
_CODE = re.compile(r"(^(?:```|~~~).*?^(?:```|~~~)$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
_BLOCK = re.compile(r"^\$\$\n(.+?)\n\$\$$", re.MULTILINE | re.DOTALL)
_INLINE = re.compile(r"(?<![\w$\\])\$([^$\n]+?)\$(?![\w$])")
_LINK = re.compile(r"(\]\()((?:\.\./)+[^)#\s]+)((?:#[^)\s]*)?\))")
_TABLES = re.compile(r"^\[tables\]\((\S+\.md)\)$", re.MULTILINE)
_log = logging.getLogger("mkdocs.hooks.trustseg")


def on_files(files, config):
    """Add the pictures that pages show and that lie outside of `docs`."""
    for page in list(files.documentation_pages()):
        for target in _outside(page.src_uri, Path(page.abs_src_path).read_text(encoding="utf-8")):
            uri = _copied(target)
            if uri and files.get_file_from_path(uri) is None:
                files.append(File.generated(config, uri, abs_src_path=str(ROOT / target)))
    return files


def on_page_markdown(markdown, page, config, files):
    """Draw formulas, insert tables, and point links that leave `docs` to the picture or to the repository.

    A line that is nothing but a link `[tables](FILE.md)` becomes the headings and tables of that file.
    """
    markdown = _TABLES.sub(lambda found: _tables(_target(page.file.src_uri, found[1])), markdown)
    parts = _CODE.split(markdown)
    parts[::2] = [_prose(part, page.file.src_uri) for part in parts[::2]]
    return "".join(parts)


def _prose(text: str, page: str) -> str:
    text = _BLOCK.sub(lambda found: f"<p>{convert(found[1], display='block')}</p>", text)
    text = _INLINE.sub(lambda found: f"<span>{convert(found[1])}</span>", text)
    return _LINK.sub(lambda found: found[1] + _address(page, found[2]) + found[3], text)


def _tables(target: str) -> str:
    """Headings below the first level, one level deeper, and tables."""
    lines = (ROOT / target).read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line or line.startswith(("##", "|"))]
    return "\n".join(f"#{line}" if line.startswith("##") else line for line in kept)


def _outside(page: str, text: str) -> list[str]:
    """The files outside of `docs` that a page links to, as paths in the repository."""
    targets = (_target(page, found[2]) for found in _LINK.finditer(text))
    return [target for target in targets if not target.startswith("docs/")]


def _target(page: str, link: str) -> str:
    return posixpath.normpath(posixpath.join("docs", posixpath.dirname(page), link))


def _copied(target: str) -> str | None:
    """Where the site has a picture; None for any other file."""
    return f"pictures/{posixpath.basename(target)}" if os.path.splitext(target)[1] in PICTURES else None


def _address(page: str, link: str) -> str:
    target = _target(page, link)
    if target.startswith("docs/"):
        return link
    if not (ROOT / target).exists():
        _log.warning("docs/%s links to %s, which is not in the repository", page, target)
    copied = _copied(target)
    return posixpath.relpath(copied, posixpath.dirname(page) or ".") if copied else REPOSITORY + target
