"""The script for sites as a file: its size, and the URLs of this release and of earlier ones."""

import base64
import gzip
from hashlib import sha384
from importlib.resources import files
from pathlib import Path

import pytest

from tiktok_forwarder.browser.site_script import DEFAULT_SCRIPT_PATH, SiteScript

SCRIPT = files("tiktok_forwarder.browser") / "script" / "tiktok-forwarder.js"


def test_script_is_under_2_kb_compressed() -> None:
    """Every page of a site loads it, so that it costs less than a picture."""
    assert len(gzip.compress(SCRIPT.read_bytes())) < 2048


def test_integrity_hash_is_that_of_the_file() -> None:
    """A browser computes SHA-384 over the bytes that it receives, and refuses a script with another hash."""
    digest = base64.b64encode(sha384(SCRIPT.read_bytes()).digest()).decode()
    assert SiteScript().integrity == f"sha384-{digest}"


def test_script_of_an_earlier_release_keeps_its_url(tmp_path: Path) -> None:
    """Pages that name a version with its integrity hash must work after an update of the service."""
    (tmp_path / "tiktok-forwarder.js").write_text("// first\n")
    first = SiteScript(folder=tmp_path)
    (tmp_path / "tiktok-forwarder.js").rename(tmp_path / "tiktok-forwarder-1.js")
    (tmp_path / "tiktok-forwarder.js").write_text("// second\n")
    second = SiteScript(folder=tmp_path)
    assert first.pinned_path != second.pinned_path
    assert second.handles(first.pinned_path) and second.handles(second.pinned_path)
    assert not first.handles(second.pinned_path)


@pytest.mark.parametrize("path", [DEFAULT_SCRIPT_PATH, "/shop.js"])
def test_url_with_version_has_the_configured_name(path: str) -> None:
    """An operator who renames the script renames both URLs, or a blocker would know the second."""
    script = SiteScript(path)
    assert script.handles(path) and script.handles(script.pinned_path)
    assert script.pinned_path.startswith(path.removesuffix("js")) and script.pinned_path.endswith(".js")
    assert not script.handles("/other.js") and not script.handles("/")
