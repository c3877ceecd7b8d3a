"""The docs site as it is built: every link leads somewhere, nothing is loaded from elsewhere, no text is lost."""

import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from posixpath import normpath
from urllib.parse import unquote, urlsplit

import pytest
from scripts.docs_site.build import SiteProblem, build
from scripts.docs_site.markdown_text import COMMONMARK, first_paragraph
from scripts.docs_site.pages import FRONT_PAGE, ROOT, Page, SiteSources

from tests.docs_site import HtmlPage

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("docs_site")]

# Elements that a page has as often as its Markdown: what a renderer misreads, it drops, joins or divides.
COUNTED = ("h1", "h2", "h3", "li", "table", "tr", "td", "img", "ol", "ul")


@pytest.fixture(scope="module")
def pages(docs_site: Path) -> Mapping[PurePosixPath, HtmlPage]:
    """Every page, by its folder."""
    files = docs_site.rglob("index.html")
    return {PurePosixPath(file.parent.relative_to(docs_site)): HtmlPage(file.read_text()) for file in files}


def folder_of(page: Page) -> PurePosixPath:
    return page.path.parent if page.path.name == FRONT_PAGE.name else page.path.with_suffix("")


def code(block: str) -> str:
    """A block's text; Python-Markdown shows a tab as spaces."""
    return block.strip("\n").expandtabs(4)


def test_every_source_is_a_page_with_a_description(pages: Mapping[PurePosixPath, HtmlPage]) -> None:
    """A search engine shows the description, which is the beginning of the page's first paragraph."""
    paragraphs = {folder_of(page): first_paragraph(page.text) for page in SiteSources().pages}
    assert pages.keys() == paragraphs.keys()
    wrong = [
        str(folder)
        for folder, page in pages.items()
        if not (20 <= len(page.description) <= 160 and paragraphs[folder].startswith(page.description))
    ]
    assert wrong == []
    assert pages[PurePosixPath(".")].description.endswith("TikTok Events API 2.0 or 1.0")


def test_every_link_and_anchor_leads_somewhere(docs_site: Path, pages: Mapping[PurePosixPath, HtmlPage]) -> None:
    """Links within the site are relative, so that it can be served from any path."""
    checked, dead = 0, []
    for folder, page in pages.items():
        for link in [*page.links, *page.loaded]:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            checked += 1
            target = PurePosixPath(normpath(folder / unquote(parts.path)))
            is_there = (docs_site / target / "index.html").exists() or (docs_site / target).is_file()
            if not is_there or (parts.fragment and unquote(parts.fragment) not in pages[target].ids):
                dead.append(f"{folder}: {link}")
    assert dead == []
    assert checked > 1000


def test_nothing_is_loaded_from_another_host(pages: Mapping[PurePosixPath, HtmlPage]) -> None:
    """Fonts, scripts, styles and pictures are the site's own; the browser tests watch what scripts ask for."""
    foreign = {
        f"{folder}: {file}" for folder, page in pages.items() for file in page.loaded if urlsplit(file).netloc != ""
    }
    assert foreign == set()


@pytest.mark.parametrize("source", SiteSources().pages, ids=lambda page: str(page.path))
def test_page_has_all_that_its_markdown_has(source: Page, pages: Mapping[PurePosixPath, HtmlPage]) -> None:
    """Lists, tables and blocks of code are those that a renderer of CommonMark shows, with the same commands."""
    written, shown = HtmlPage(COMMONMARK.render(source.text)).article, pages[folder_of(source)].article
    assert [code(block) for block in shown.code_blocks] == [code(block) for block in written.code_blocks]
    added = {"h2": 1, "li": 4, "ul": 1} if source.path == FRONT_PAGE else {}
    assert {tag: shown.counts[tag] - added.get(tag, 0) for tag in COUNTED} == {
        tag: written.counts[tag] for tag in COUNTED
    }


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """The documents of this repository, to be changed."""
    for folder in ("docs", "deploy"):
        shutil.copytree(ROOT / folder, tmp_path / folder)
    for file in ROOT.glob("*.md"):
        shutil.copy(file, tmp_path)
    return tmp_path


def test_wrong_anchor_stops_the_build(repository: Path, tmp_path: Path) -> None:
    """Zensical checks the anchors, and its warnings are errors; the site of before stays."""
    with (repository / "docs" / "scaling.md").open("a") as page:
        page.write("\nSee [there](glossary.md#gone).\n")
    with pytest.raises(SiteProblem, match=r"(?s)scaling\.md:\d.*glossary\.md#gone"):
        build(tmp_path / "site", SiteSources(repository))
    assert not (tmp_path / "site").exists()


def test_folder_with_other_files_is_not_replaced(tmp_path: Path) -> None:
    """Only a site is deleted to make place for a site; the command prints one line."""
    (tmp_path / "thesis.txt").write_text("a year of work")
    arguments = [sys.executable, "-m", "scripts.docs_site", str(tmp_path)]
    done = subprocess.run(arguments, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{tmp_path} is neither empty nor a site; choose another folder\n"
    assert (tmp_path / "thesis.txt").exists()
