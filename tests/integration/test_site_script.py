"""The script for sites, as browsers get it from a running service."""

import json
from pathlib import Path

from tests.integration.service_rig import running_service
from tiktok_forwarder.browser.site_script import SiteScript
from tiktok_forwarder.web.in_process import asgi_call


async def test_script_is_served_to_any_site_with_its_lifetime(tmp_path: Path) -> None:
    """The plain URL is asked again after an hour, the one with the version never; both may have an integrity hash."""
    script = SiteScript()
    async with running_service(tmp_path / "data") as service:
        plain = await service.request("GET", script.path, headers={"Origin": "https://shop.example.com"})
        pinned = await service.request("GET", script.pinned_path)
        head = await service.request("HEAD", script.path)
    assert (plain.status, plain.headers["Cache-Control"]) == (200, "public, max-age=3600")
    assert (pinned.status, pinned.headers["Cache-Control"]) == (200, "public, max-age=31536000, immutable")
    assert plain.body == pinned.body and b"window.tiktokForwarder" in plain.body
    assert (head.status, head.body, head.headers["Content-Length"]) == (200, b"", str(len(plain.body)))
    for answer in (plain, pinned, head):
        assert answer.headers["Access-Control-Allow-Origin"] == "*"
        assert answer.headers["Content-Type"] == "text/javascript; charset=utf-8"
        assert "Set-Cookie" not in answer.headers and "Access-Control-Allow-Credentials" not in answer.headers


async def test_unchanged_script_is_not_sent_again(tmp_path: Path) -> None:
    """A browser whose copy has expired asks with the entity tag that it was given."""
    async with running_service(tmp_path / "data") as service:
        first = await service.request("GET", "/tiktok-forwarder.js")
        tag = first.headers["ETag"]
        again = await service.request("GET", "/tiktok-forwarder.js", headers={"If-None-Match": f"W/{tag}"})
        other = await service.request("GET", "/tiktok-forwarder.js", headers={"If-None-Match": '"other"'})
    assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    assert (other.status, other.body) == (200, first.body)


async def test_script_has_the_path_of_the_setting_only(tmp_path: Path) -> None:
    """A blocker that knows the default name finds nothing of it."""
    script = SiteScript("/shop.js")
    async with running_service(tmp_path / "data", script_path="/shop.js") as service:
        found = [(await service.request("GET", path)).status for path in (script.path, script.pinned_path)]
        default = [
            (await service.request("GET", path)).status for path in (SiteScript().path, SiteScript().pinned_path)
        ]
        posted = await service.request("POST", "/shop.js", b"")
    assert (found, default) == ([200, 200], [404, 404])
    assert (posted.status, posted.headers["Allow"]) == (405, "GET, HEAD")


async def test_api_shows_where_the_script_is(tmp_path: Path) -> None:
    """A deployment that writes the tag itself needs the version's path and hash after each update."""
    script = SiteScript("/shop.js")
    async with running_service(tmp_path / "data", script_path="/shop.js") as service:
        status, answer = await asgi_call(service.application.api, "GET", "/api/site-script", b"")
    assert status == 200
    assert json.loads(answer) == {
        "path": "/shop.js",
        "pinned_path": script.pinned_path,
        "integrity": script.integrity,
    }
