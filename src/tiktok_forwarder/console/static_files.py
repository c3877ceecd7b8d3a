"""The console's scripts and styles from the package. Their URLs contain a hash, so browsers can cache them."""

from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

_TYPES: Final = {".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}
_YEAR: Final = "public, max-age=31536000, immutable"


class StaticFiles:
    """The package's files, read once at the start."""

    def __init__(self) -> None:
        self._files: dict[str, tuple[bytes, str]] = {}
        self._versions: dict[str, str] = {}
        self._read(files("tiktok_forwarder.console") / "static", "")

    def _read(self, folder: Traversable, prefix: str) -> None:
        for each in folder.iterdir():
            name = prefix + each.name
            if each.is_dir():
                self._read(each, f"{name}/")
            elif (kind := _TYPES.get(f".{name.rpartition('.')[2]}")) is not None:
                content = each.read_bytes()
                self._files[name] = (content, kind)
                self._versions[name] = sha256(content).hexdigest()[:16]

    def address(self, name: str) -> str:
        """Return the file's URL. Raises `KeyError` if there is no such file."""
        return f"/static/{name}?v={self._versions[name]}"

    async def answer(self, request: Request) -> Response:
        found = self._files.get(request.path_params["name"])
        if found is None:
            raise HTTPException(404, "there is no such file")
        content, kind = found
        return Response(content, media_type=kind, headers={"cache-control": _YEAR})
