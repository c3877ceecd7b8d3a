"""Which pages the site has, where each comes from, and where a link between two files of the repository leads there.

- The README is a page for its opening, the front page, and one for each of its sections.
- The other documents at the root are pages, and so is each page of `docs/`; the README of a folder is its front page.
- Any other file that a page links to is copied, as a download.
"""

import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import Final

from scripts.docs_site.markdown_text import anchor_of, heading_of, prose_lines, with_links

ROOT: Final = Path(__file__).parents[2]
README: Final = PurePosixPath("README.md")
FRONT_PAGE: Final = PurePosixPath("index.md")
# The lists of links, which the navigation of the site replaces.
_SECTIONS_WITHOUT_PAGE: Final = frozenset({"more"})
_ABSOLUTE: Final = re.compile(r"[a-z]+:")


@dataclass(frozen=True)
class Page:
    """A page at `path` of the site, with the Markdown of the file `source` of the repository or of one of its sections.

    The links in the text are still the repository's.
    """

    path: PurePosixPath
    source: PurePosixPath
    text: str


class SiteSources:
    """The pages of a repository, and where their links lead on the site.

    `downloads` and `problems` grow while links are replaced: files that links lead to, and a line for each link that
    leads nowhere.
    """

    def __init__(self, root: Path = ROOT) -> None:
        self.root = root
        self.downloads: set[PurePosixPath] = set()
        self.problems: list[str] = []
        self._readme_places: dict[str, tuple[PurePosixPath, str]] = {"": (FRONT_PAGE, "")}
        self.pages = [*self._readme_pages(), *map(self._whole_page, self._documents())]
        self._paths = {page.source: page.path for page in self.pages if page.source != README}

    def text_on_site(self, page: Page) -> str:
        """Return the page's Markdown with the links of the site."""
        return with_links(page.text, lambda link: self._link_on_site(page, link))

    def _documents(self) -> list[PurePosixPath]:
        files = [file for file in sorted(self.root.glob("*.md")) if file.name != README.name]
        files += sorted((self.root / "docs").rglob("*.md"))
        return [PurePosixPath(file.relative_to(self.root)) for file in files]

    def _whole_page(self, file: PurePosixPath) -> Page:
        path = path_on_site(file) if file.parts[0] == "docs" else PurePosixPath(file.name.lower())
        if path.name == README.name:
            path = path.with_name(FRONT_PAGE.name)
        return Page(path, file, (self.root / file).read_text())

    def _readme_pages(self) -> list[Page]:
        """Divide the README at its sections; in those, each heading moves up by one level."""
        texts: dict[PurePosixPath, list[str]] = {FRONT_PAGE: []}
        path = FRONT_PAGE
        for line, is_prose in prose_lines((self.root / README).read_text()):
            heading = heading_of(line) if is_prose else None
            if heading is not None:
                level, title = heading
                anchor = anchor_of(title)
                if level == 2:
                    path = PurePosixPath(f"{anchor}.md")
                    texts[path] = []
                self._readme_places[anchor] = (path, anchor if level > 2 else "")
            texts[path].append(line[1:] if heading is not None and heading[0] > 1 else line)
        return [
            Page(at, README, "".join(lines)) for at, lines in texts.items() if at.stem not in _SECTIONS_WITHOUT_PAGE
        ]

    def _link_on_site(self, page: Page, link: str) -> str:
        if _ABSOLUTE.match(link):
            return link
        name, _, anchor = link.partition("#")
        file = PurePosixPath(normpath(page.source.parent / name)) if name else page.source
        place = self._place_on_site(file, anchor)
        if isinstance(place, str):
            self.problems.append(f"{page.source}: the link {link} {place}")
            return link
        path, anchor = place
        target = "" if path == page.path and anchor else relpath(path, page.path.parent)
        return f"{target}#{anchor}" if anchor else target

    def _place_on_site(self, file: PurePosixPath, anchor: str) -> tuple[PurePosixPath, str] | str:
        """Return path and anchor, or what is wrong with the link."""
        if file == README:
            place = self._readme_places.get(anchor)
            if place is None:
                return "names a heading that README.md does not have"
            return "names a section that has no page on the site" if place[0].stem in _SECTIONS_WITHOUT_PAGE else place
        if file in self._paths:
            return self._paths[file], anchor
        if not (self.root / file).is_file():
            return "does not lead to a file"
        self.downloads.add(file)
        return path_on_site(file), anchor


def path_on_site(file: PurePosixPath) -> PurePosixPath:
    """Return where the site has a file: `docs/` is its root, and other folders are below it."""
    return file.relative_to("docs") if file.parts[0] == "docs" else file
