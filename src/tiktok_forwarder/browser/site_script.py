"""The script that sites load to send events without mParticle's Web SDK, and the URLs where they find it."""

import base64
from hashlib import sha256, sha384
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from tiktok_forwarder.web.asgi import Receive, Scope, Send

DEFAULT_SCRIPT_PATH: Final = "/tiktok-forwarder.js"
_FOLDER: Final = files("tiktok_forwarder.browser") / "script"
_NEWEST: Final = "tiktok-forwarder.js"
_SUFFIX: Final = ".js"

_HOUR: Final = b"public, max-age=3600"
_YEAR: Final = b"public, max-age=31536000, immutable"
# Any site may load the script, with `crossorigin` too, which an integrity hash requires.
_HEADERS: Final = (
    (b"content-type", b"text/javascript; charset=utf-8"),
    (b"access-control-allow-origin", b"*"),
    (b"cross-origin-resource-policy", b"cross-origin"),
    (b"x-content-type-options", b"nosniff"),
)


class SiteScript:
    """The ASGI application of the script's paths.

    `path` always answers the newest script. Every file of the folder also has a path with its hash, whose content never
    changes, so that pages with an integrity hash of an earlier release still find that release's script.
    """

    def __init__(self, path: str = DEFAULT_SCRIPT_PATH, folder: Traversable = _FOLDER) -> None:
        newest = (folder / _NEWEST).read_bytes()
        self._stem = path.removesuffix(_SUFFIX)
        self._scripts = {path: (newest, _HOUR)}
        for file in folder.iterdir():
            if file.name.endswith(_SUFFIX):
                script = file.read_bytes()
                self._scripts[self._pinned_path(script)] = (script, _YEAR)
        self.path = path
        self.pinned_path = self._pinned_path(newest)
        self.integrity = "sha384-" + base64.b64encode(sha384(newest).digest()).decode()

    def handles(self, path: str) -> bool:
        return path in self._scripts

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        script, lifetime = self._scripts[scope["path"]]
        if scope["method"] not in ("GET", "HEAD"):
            await _answer(send, 405, b"", ((b"allow", b"GET, HEAD"),))
            return
        tag = f'"{_version(script)}"'.encode()
        headers = (*_HEADERS, (b"cache-control", lifetime), (b"etag", tag))
        if tag in dict(scope["headers"]).get(b"if-none-match", b""):
            await _answer(send, 304, b"", headers)
        else:
            await _answer(send, 200, script, (*headers, (b"content-length", b"%d" % len(script))))

    def _pinned_path(self, script: bytes) -> str:
        return f"{self._stem}.{_version(script)}{_SUFFIX}"


def _version(script: bytes) -> str:
    return sha256(script).hexdigest()[:16]


async def _answer(send: Send, status: int, body: bytes, headers: tuple[tuple[bytes, bytes], ...]) -> None:
    await send({"type": "http.response.start", "status": status, "headers": list(headers)})
    await send({"type": "http.response.body", "body": body})
