"""What a web page needs to send through a browser input, ready to copy into the page's own code."""

import json
from collections.abc import Sequence
from html import escape
from typing import Final, Literal

from msgspec import Struct

from tiktok_forwarder.api.types import InputView, SiteScriptView
from tiktok_forwarder.browser.answers import FLAGS
from tiktok_forwarder.browser.paths import events_path

_PLAIN_HTTP: Final = "http://"
_FLAG_LINES: Final = "\n".join([f"    {json.dumps(name)}: {json.dumps(value)}," for name, value in FLAGS.items()])
# Over plain HTTP the SDK asks for no configuration, so the page has what the service would answer.
_LOCAL_MEMBERS: Final = f"""
  forceHttps: false,
  requestConfig: false,
  flags: {{
{_FLAG_LINES}
  }},"""


class BrowserSettings(Struct, frozen=True):
    """`script_tag` pins the present version of the script, `newest_script_url` always answers the newest one."""

    input_name: str
    key: str
    old_key: str | None
    origins: Sequence[str]
    allows_purchases: bool
    events_url: str
    web_sdk: str
    beacon: str
    script_tag: str
    newest_script_url: str
    is_local: bool
    kind: Literal["browser"] = "browser"


def browser_settings(base: str, found: InputView, script: SiteScriptView) -> BrowserSettings:
    """Return a browser input's settings. `base` is the service's URL."""
    events_url = base + events_path(found.key)
    return BrowserSettings(
        found.name,
        found.key,
        found.old_key,
        found.origins,
        found.allows_purchases,
        events_url,
        _web_sdk(base, found.key),
        _beacon(events_url),
        _script_tag(base, found.key, script),
        base + script.path,
        base.startswith(_PLAIN_HTTP),
    )


def _web_sdk(base: str, key: str) -> str:
    domain = base.partition("://")[2]
    local = _LOCAL_MEMBERS if base.startswith(_PLAIN_HTTP) else ""
    return f"""import mParticle from "@mparticle/web-sdk";

mParticle.init({_quoted(key)}, {{
  domain: {_quoted(domain)},{local}
}});"""


def _beacon(events_url: str) -> str:
    return f"""window.mParticle.config.onCreateBatch = (batch) => {{
  navigator.sendBeacon({_quoted(events_url)}, JSON.stringify(batch));
  return batch;
}};"""


def _script_tag(base: str, key: str, script: SiteScriptView) -> str:
    source, integrity = escape(base + script.pinned_path), escape(script.integrity)
    return (
        f'<script defer src="{source}"\n'
        f'  integrity="{integrity}" crossorigin="anonymous"\n'
        f'  data-key="{escape(key)}" data-store="no"></script>'
    )


def _quoted(text: str) -> str:
    return json.dumps(text)
