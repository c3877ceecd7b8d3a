"""Builds the docs site: gathers its pages and files in a folder of their own, and has Zensical build them."""

import json
import re
import shutil
import subprocess
import sys
import tomllib
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from tempfile import TemporaryDirectory
from typing import Final

from scripts.docs_site.markdown_text import first_paragraph, indented_for_python_markdown
from scripts.docs_site.pages import FRONT_PAGE, ROOT, SiteSources, path_on_site

HERE: Final = Path(__file__).parent
CONFIG: Final = HERE / "zensical.toml"
SITE: Final = ROOT / "build" / "site"
_THEME: Final = HERE / "theme"
_ICON: Final = ROOT / "src" / "tiktok_forwarder" / "console" / "static" / "icon.svg"
_MARK: Final = "404.html"  # every site has one, so a folder with it is a site
_DESCRIPTION_LENGTH: Final = 160
_WORDS_TO_DESCRIPTION_LENGTH: Final = re.compile(rf".{{1,{_DESCRIPTION_LENGTH}}}(?=\s|$)")

_COLOR: Final = re.compile(r"\x1b\[[\d;]*m")


class SiteProblem(Exception):
    """The site cannot be built. Each line of the message is one reason."""


@dataclass(frozen=True)
class BuiltSite:
    folder: Path
    page_count: int


def build(folder: Path = SITE, sources: SiteSources | None = None) -> BuiltSite:
    """Build the site in the folder, replacing the one that is there.

    Raises SiteProblem.
    """
    sources = sources or SiteSources()
    if folder.exists() and any(folder.iterdir()) and not (folder / _MARK).exists():
        raise SiteProblem(f"{folder} is neither empty nor a site; choose another folder")
    with TemporaryDirectory(prefix="docs-site-") as work:
        project = Path(work)
        _gather(sources, project)
        if problems := [*sources.problems, *navigation_problems(sources)]:
            raise SiteProblem("\n".join(problems))
        _run_zensical(project)
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(project / "site", folder)
    return BuiltSite(folder, len(sources.pages))


def navigation() -> list[str]:
    """Return the paths in the navigation, in order."""
    return list(_paths_in(tomllib.loads(CONFIG.read_text())["project"]["nav"]))


def _paths_in(entry: object) -> Iterator[str]:
    if isinstance(entry, str):
        yield entry
    elif isinstance(entry, dict):
        for value in entry.values():
            yield from _paths_in(value)
    elif isinstance(entry, list):
        for value in entry:
            yield from _paths_in(value)


def navigation_problems(sources: SiteSources) -> list[str]:
    """Return one line for each page that is not in the navigation exactly once."""
    name = CONFIG.relative_to(ROOT)
    counts = Counter(navigation())
    pages = {str(page.path): page.source for page in sources.pages}
    missing = [
        f'{source}: the page is not in the navigation of the site; add "{path}" at its place in nav of {name}'
        for path, source in pages.items()
        if path not in counts
    ]
    return missing + [
        f'{name}: nav has "{path}"{f" {count} times" if path in pages else ", which is not a page"}'
        for path, count in counts.items()
        if count > 1 or path not in pages
    ]


def _gather(sources: SiteSources, project: Path) -> None:
    shutil.copy(CONFIG, project)
    pages = project / "pages"
    for page in sources.pages:
        text = sources.text_on_site(page)
        # The theme writes the description into an attribute without escaping it.
        head = [f"description: {json.dumps(escape(_description_of(text)))}"]
        if page.path == FRONT_PAGE:
            head, text = [*head, "hide: [toc]"], _front_page(text)
        target = pages / page.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("\n".join(["---", *head, "---", "", indented_for_python_markdown(text)]))
    for file in sources.downloads:
        target = pages / path_on_site(file)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(sources.root / file, target)
    (pages / "theme").mkdir()
    for part in (_THEME / "site.css", _THEME / "site.js", _ICON):
        shutil.copy(part, pages / "theme")


def _front_page(opening: str) -> str:
    """Return the README's opening, its picture next to what is above it, and what only the site needs."""
    summary, _, below = opening.partition("\n\n![")
    picture, _, rest = below.partition("\n\n")
    template = Template((_THEME / "front-page.md").read_text())
    return template.substitute(summary=summary, picture=f"![{picture}", rest=rest)


def _description_of(text: str) -> str:
    """Return what search engines show of a page: the beginning of its first paragraph, in whole words."""
    found = _WORDS_TO_DESCRIPTION_LENGTH.match(first_paragraph(text))
    return found[0] if found else ""


def _run_zensical(project: Path) -> None:
    """Build the site; a warning is an error."""
    command = [sys.executable, "-m", "zensical", "build", "--strict"]
    done = subprocess.run(command, cwd=project, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        report, _, _ = _COLOR.sub("", done.stdout + done.stderr).partition("Traceback")
        raise SiteProblem(f"{report.strip()}; paths are those of the site")
