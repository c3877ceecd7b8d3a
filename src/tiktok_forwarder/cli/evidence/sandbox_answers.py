"""Asks a sandbox, run as a process of its own, for its answers to trials that were sent to TikTok."""

import asyncio
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Final, Self

import msgspec

from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import OutboundRequest
from tiktok_forwarder.demo.processes import Process, free_port
from tiktok_forwarder.evidence.answers import TrialAnswer, redacted_answer
from tiktok_forwarder.evidence.prover import PIXEL_PLACEHOLDER, TOKEN_PLACEHOLDER, WRONG_TOKEN, TrialRequest
from tiktok_forwarder.evidence.trials import TrialToken

_TOKENS: Final[dict[TrialToken, str]] = {"valid": TOKEN_PLACEHOLDER, "wrong": WRONG_TOKEN, "empty": ""}


class SandboxAnswers:
    """A sandbox that knows one access token and one pixel: the placeholders of a trial's request."""

    def __init__(self) -> None:
        self._runner = asyncio.Runner()
        self._open = AsyncExitStack()
        self._url = ""

    def __enter__(self) -> Self:
        """Raises `ForwarderError` if the sandbox does not start."""
        self._runner.__enter__()
        try:
            folder = Path(self._open.enter_context(TemporaryDirectory(prefix="tiktok-forwarder-")))
            port = free_port(0)
            arguments = ["sandbox", "--port", str(port), "--token", f"{TOKEN_PLACEHOLDER}={PIXEL_PLACEHOLDER}"]
            process = Process("sandbox", arguments, folder / "sandbox.log", {})
            process.start()
            self._open.callback(process.stop)
            self._url = f"http://127.0.0.1:{port}"
            process.wait_until_answering(self._url)
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

    def answer_to(self, request: TrialRequest) -> TrialAnswer:
        """Return what the sandbox answers to the same request."""
        return self._runner.run(self._ask(request))

    async def _ask(self, request: TrialRequest) -> TrialAnswer:
        sender = TikTokHttpSender(self._url)
        try:
            body = msgspec.json.encode(request.body)
            answer = await sender.send(OutboundRequest(request.path, _TOKENS[request.token], body))
        finally:
            await sender.close()
        return redacted_answer(answer, {})
