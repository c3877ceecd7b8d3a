"""Calls the service's API: over the socket of the data directory, or in-process when no service runs there.

Both use the same ASGI application, so every change takes the same path.
"""

import asyncio
import contextlib
import json
import os
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import aiohttp
import msgspec
from msgspec import structs

from tiktok_forwarder.cli.output import print_message
from tiktok_forwarder.database.owner import require_access
from tiktok_forwarder.domain.errors import ConfigurationError, ForwarderError
from tiktok_forwarder.settings import KEY_VARIABLE, Settings
from tiktok_forwarder.web.in_process import asgi_call

_TIMEOUT_SECONDS: Final = 60.0
_REFUSED: Final = 400
_UNAVAILABLE: Final = 503
_T = TypeVar("_T")
_JSON: Final = {"content-type": "application/json"}


class ApiUnavailable(ConfigurationError):
    """The service cannot do it now, and may later; nothing is wrong with the request."""


class ApiSession:
    """Several calls to one service. If none runs, the session locks the data directory until it ends.

    A PostgreSQL database is used at the same time as the services on other machines use it, also without a data
    directory. `may_create`: a data directory that does not exist is created, with an empty database, and a message
    names it. Only for what adds something.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        running_only: bool = False,
        may_create: bool = False,
        timeout_seconds: float = _TIMEOUT_SECONDS,
    ) -> None:
        self._settings = settings
        self._timeout = aiohttp.ClientTimeout(total=timeout_seconds)
        self._may_create = may_create
        self._running_only = running_only
        self._runner = asyncio.Runner()
        self._open = contextlib.AsyncExitStack()
        self._over_socket: aiohttp.ClientSession | None = None
        self._in_process: Any = None

    def __enter__(self) -> Self:
        """Raises `ConfigurationError` if the data directory cannot be used, `ForwarderError` if no service runs."""
        self._runner.__enter__()
        try:
            self._runner.run(self._connect())
        except BaseException:
            self.__exit__(None, None, None)
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._runner.run(self._open.aclose())
        finally:
            self._runner.__exit__(kind, error, trace)

    async def _connect(self) -> None:
        connector = aiohttp.UnixConnector(path=str(self._settings.admin_socket))
        session = await self._open.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=self._timeout)
        )
        try:
            async with session.get("http://localhost/api/inputs"):
                self._over_socket = session
        except (aiohttp.ClientError, TimeoutError):
            require_access(self._settings.data_dir)
            if self._running_only:
                raise ForwarderError(f"no service is running on {self._settings.data_dir}") from None
            await self._open_in_process()

    async def _open_in_process(self) -> None:
        settings = self._settings
        if not self._may_create:
            _require_data(settings)
            if settings.database_address is not None:
                # The directory may be mistyped, or the service be on another machine: nothing is created.
                elsewhere = self._open.enter_context(TemporaryDirectory(prefix="tiktok-forwarder-"))
                settings = structs.replace(settings, data_dir=Path(elsewhere))
        from tiktok_forwarder.bootstrap import open_application  # noqa: PLC0415  # heavy, and mostly a service runs

        may_create = self._may_create or settings.database_address is None
        application = open_application(settings, os.environ, may_create=may_create)
        creation = _creation_message(settings) if self._may_create else None
        self._in_process = (await self._open.enter_async_context(application)).api
        if creation is not None:
            print_message(creation)

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Make one call and return the decoded answer. Raises `ConfigurationError` with the API's error messages."""
        return self.send(method, path, json.dumps(body).encode() if body is not None else b"")

    def send(self, method: str, path: str, content: bytes) -> Any:
        """Send JSON that is already encoded and return the decoded answer, like `ask`."""
        status, answer = self._runner.run(self._answered(method, path, content))
        return _understood(status, answer)

    async def _answered(self, method: str, path: str, content: bytes) -> tuple[int, bytes]:
        if self._over_socket is None:
            return await asgi_call(self._in_process, method, path, content)
        try:
            url = f"http://localhost{path}"
            async with self._over_socket.request(method, url, data=content or None, headers=_JSON) as answer:
                return answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ForwarderError(
                f"no response from the service on {self._settings.data_dir} ({type(error).__name__}); the request may "
                "have been carried out: check before you repeat it"
            ) from None


def read_as(kind: type[_T], answer: Any) -> _T:
    """Convert a decoded answer to the type that the API encoded."""
    return msgspec.convert(answer, kind)


def call(settings: Settings, method: str, path: str, body: object = None, *, may_create: bool = False) -> Any:
    """Make one API call and return the decoded answer. Raises `ConfigurationError` with the API's error messages."""
    with ApiSession(settings, may_create=may_create) as session:
        return session.ask(method, path, body)


def call_running(settings: Settings, method: str, path: str, body: object = None) -> Any:
    """Make one API call to a running service, like `call`. Raises `ForwarderError` if none runs."""
    with ApiSession(settings, running_only=True) as session:
        return session.ask(method, path, body)


def _creation_message(settings: Settings) -> str | None:
    """Return what opening the data directory creates; None if it exists. A mistyped directory is noticed by it."""
    if settings.data_dir.exists():
        return None
    has_key = KEY_VARIABLE in os.environ or settings.encryption_key_file.exists()
    return f"created the data directory {settings.data_dir}{'' if has_key else ', with a new encryption key'}"


def _require_data(settings: Settings) -> None:
    """Raise `ConfigurationError` if there is no data directory, or nothing in it; PostgreSQL's data is elsewhere."""
    if settings.database_address is not None:
        return
    from tiktok_forwarder.store.sqlite.restore import current_database  # noqa: PLC0415  # heavy, and mostly a service runs

    found = settings.data_dir if settings.store == "memory" else current_database(settings.database_file)
    if not found.exists():
        is_missing = not settings.data_dir.exists()
        what = f"the directory {settings.data_dir} does not exist"
        why = f"data_dir: {what if is_missing else f'there is no database in {settings.data_dir}'}"
        raise ConfigurationError(
            [f"{why}; choose the service's directory, or run `tiktok-forwarder serve` to create it"]
        )


def _understood(status: int, answer: bytes) -> Any:
    decoded = json.loads(answer) if answer else None
    if status < _REFUSED:
        return decoded
    messages = [error["message"] for error in decoded["errors"]] if isinstance(decoded, dict) else [f"HTTP {status}"]
    raise (ApiUnavailable if status == _UNAVAILABLE else ConfigurationError)(messages)
