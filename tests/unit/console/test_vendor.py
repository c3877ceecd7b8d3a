"""The files of others that the console's pages load: those that were looked at, and nothing from another host."""

import hashlib
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest

VENDOR = Path(__file__).parents[3] / "src" / "tiktok_forwarder" / "console" / "static" / "vendor"
LIST = "vendor.toml"
PACKAGES: list[dict[str, Any]] = tomllib.loads((VENDOR / LIST).read_text())["package"]
FILES: dict[str, dict[str, str]] = {name: each for package in PACKAGES for name, each in package["files"].items()}
LOADED = sorted(name for name in FILES if not name.endswith(".LICENSE"))
LICENCE_WORDS = {"0BSD": "BSD", "MIT": "MIT License"}

COMMENT = re.compile(r"/\*!.*?\*/", re.DOTALL)
STYLE_ADDRESS = re.compile(r"""url\((?!\s*["']?data:)[^)]{0,80}|@import[^;]{0,80}""")
ADDRESS = re.compile(r"""(?:\w+:|["'(])//[^"'\s)]{0,80}""")
SVG_NAMESPACE = "http://www.w3.org/2000/svg"


def code(name: str) -> str:
    """The file without its licence comment, which may name its home page."""
    return COMMENT.sub("", (VENDOR / name).read_text())


def test_every_file_is_listed() -> None:
    """Nothing lies there whose origin is not written down, and nothing is written down that is not there."""
    assert sorted(each.name for each in VENDOR.iterdir()) == sorted([LIST, *FILES])
    assert sum(len(package["files"]) for package in PACKAGES) == len(FILES)


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_file_is_the_one_that_was_listed(name: str) -> None:
    """A changed byte is noticed."""
    assert hashlib.sha256((VENDOR / name).read_bytes()).hexdigest() == FILES[name]["sha256"]


@pytest.mark.parametrize("package", PACKAGES, ids=lambda each: each["name"])
def test_every_package_has_its_licence_beside_it(package: dict[str, Any]) -> None:
    """Each package names its exact version and its licence, and the text of that licence is there."""
    assert re.fullmatch(r"\d+\.\d+\.\d+", package["version"])
    [licence] = [name for name in package["files"] if name.endswith(".LICENSE")]
    assert LICENCE_WORDS[package["licence"]] in (VENDOR / licence).read_text()


@pytest.mark.parametrize("name", LOADED)
def test_no_file_makes_a_browser_load_anything_else(name: str) -> None:
    """Neither a style sheet's addresses, nor an address in a script, nor a source map lead out of the file."""
    text = code(name)
    assert STYLE_ADDRESS.findall(text) == []
    assert set(ADDRESS.findall(text)) <= {SVG_NAMESPACE}
    assert "sourceMappingURL" not in text


def test_the_list_says_that_icons_are_data_addresses() -> None:
    """Whoever writes the content security policy reads in the list that it must allow `data:` images."""
    with_icons = [name for name in LOADED if re.search(r"""url\(\s*["']?data:""", code(name))]
    assert with_icons == ["pico.min.css"]
    remark = (VENDOR / LIST).read_text().partition("[[package]]")[0]
    assert "pico.min.css" in remark and "img-src data:" in remark
