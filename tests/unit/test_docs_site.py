"""The pages of the docs site: gathered from the whole repository, each in the navigation, every link turned round."""

from pathlib import Path, PurePosixPath

import pytest
from scripts.docs_site.build import navigation, navigation_problems
from scripts.docs_site.markdown_text import COMMONMARK, anchor_of, first_paragraph, indented_for_python_markdown
from scripts.docs_site.pages import Page, SiteSources

README = """# tool

It forwards. See [try it](#try-it) and [the guide](docs/guides/send.md#start).

## Try it

```
## no heading
```

### With files

## More

[Everything](docs/guides/send.md)
"""


def repository(tmp_path: Path, guide: str, readme: str = README) -> SiteSources:
    (tmp_path / "docs" / "guides").mkdir(parents=True, exist_ok=True)
    (tmp_path / "deploy").mkdir()
    (tmp_path / "deploy" / "unit.service").write_text("[Unit]")
    (tmp_path / "README.md").write_text(readme)
    (tmp_path / "SECURITY.md").write_text("# Security")
    (tmp_path / "docs" / "guides" / "send.md").write_text(guide)
    return SiteSources(tmp_path)


def page_at(sources: SiteSources, path: str) -> Page:
    (page,) = (page for page in sources.pages if page.path == PurePosixPath(path))
    return page


def test_every_page_is_in_the_navigation_once() -> None:
    """A reader finds every page: those of docs/, the other documents and the sections of the README."""
    assert navigation_problems(SiteSources()) == []
    assert navigation()[:2] == ["index.md", "try-it.md"]


def test_page_outside_the_navigation_is_named_with_the_line_to_add(tmp_path: Path) -> None:
    """Who adds a page reads where the navigation is."""
    problems = navigation_problems(repository(tmp_path, "# Send"))
    assert (
        "docs/guides/send.md: the page is not in the navigation of the site; "
        'add "guides/send.md" at its place in nav of scripts/docs_site/zensical.toml'
    ) in problems
    assert 'scripts/docs_site/zensical.toml: nav has "guides/kafka.md", which is not a page' in problems


def test_readme_is_a_page_for_each_section(tmp_path: Path) -> None:
    """The front page is its opening; a section's title becomes the page's, and code is no heading."""
    sources = repository(tmp_path, "# Send")
    assert [str(page.path) for page in sources.pages] == ["index.md", "try-it.md", "security.md", "guides/send.md"]
    assert page_at(sources, "try-it.md").text == "# Try it\n\n```\n## no heading\n```\n\n## With files\n\n"
    assert "[try it](try-it.md) and [the guide](guides/send.md#start)" in sources.text_on_site(sources.pages[0])


def test_readme_of_a_folder_is_its_front_page(tmp_path: Path) -> None:
    """A repository host shows it for the folder, and the site at the folder's path."""
    (tmp_path / "docs" / "evidence").mkdir(parents=True)
    (tmp_path / "docs" / "evidence" / "README.md").write_text("# Evidence")
    sources = repository(tmp_path, "[Evidence](../evidence/README.md)")
    assert sources.text_on_site(page_at(sources, "guides/send.md")) == "[Evidence](../evidence/index.md)"


@pytest.mark.parametrize(
    ("link", "on_site"),
    [
        ("https://example.com/a#b", "https://example.com/a#b"),
        ("#start", "#start"),
        ("../../SECURITY.md", "../security.md"),
        ("../../README.md", "../index.md"),
        ("../../README.md#try-it", "../try-it.md"),
        ("../../README.md#with-files", "../try-it.md#with-files"),
        ("../../deploy/unit.service", "../deploy/unit.service"),
    ],
)
def test_link_of_a_guide_leads_to_the_same_place_on_the_site(tmp_path: Path, link: str, on_site: str) -> None:
    """A link is written once, for the repository."""
    sources = repository(tmp_path, f"# Send\n\n[There]({link})\n\n```\n[code]({link})\n```\n")
    text = sources.text_on_site(page_at(sources, "guides/send.md"))
    assert text == f"# Send\n\n[There]({on_site})\n\n```\n[code]({link})\n```\n"
    assert sources.problems == []
    assert {str(file) for file in sources.downloads} == ({"deploy/unit.service"} if "deploy" in link else set())


@pytest.mark.parametrize(
    ("link", "problem"),
    [
        ("../gone.md", "the link ../gone.md does not lead to a file"),
        ("../../deploy", "the link ../../deploy does not lead to a file"),
        ("../../README.md#gone", "the link ../../README.md#gone names a heading that README.md does not have"),
        ("../../README.md#more", "the link ../../README.md#more names a section that has no page on the site"),
    ],
)
def test_link_to_nowhere_is_a_problem(tmp_path: Path, link: str, problem: str) -> None:
    """The build stops, and names page and link."""
    sources = repository(tmp_path, f"[There]({link})")
    sources.text_on_site(page_at(sources, "guides/send.md"))
    assert sources.problems == [f"docs/guides/send.md: {problem}"]


def test_contents_of_lists_are_indented_by_four() -> None:
    """CommonMark wants them below the item's text, Python-Markdown four columns deep; blocks of code stay in items."""
    text = "Steps:\n1. one\n\n   ```sh\n   ls\n     -l\n   ```\n   - inner\n     more\n2. two\n   more\n\nEnd\n"
    indented = (
        "Steps:\n\n1. one\n\n    ```sh\n    ls\n      -l\n    ```\n    - inner\n        more\n2. two\n    more\n\nEnd\n"
    )
    assert indented_for_python_markdown(text) == indented
    assert COMMONMARK.render(indented) == COMMONMARK.render(text)


def test_anchors_are_those_of_repository_hosts() -> None:
    """A link with an anchor works in the repository and on the site."""
    assert anchor_of("1. What `map` is, and what [it](a.md) is not") == "1-what-map-is-and-what-it-is-not"


def test_description_is_the_first_paragraph() -> None:
    """A comment or a picture above it is not what the page is about."""
    assert first_paragraph("<!-- Generated. -->\n# Title\n\nIt has *one*\n[rule](a.md).\n\nMore.") == "It has one rule."
