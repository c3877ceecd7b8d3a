"""Asks a sandbox, run as a process of its own, for its answers to trials that were sent to TikTok."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

import msgspec

from tiktok_forwarder.delivery.http_client import TikTokHttpSender
from tiktok_forwarder.delivery.interfaces import OutboundRequest
from tiktok_forwarder.demo.processes import Process, free_port
from tiktok_forwarder.evidence.answers import TrialAnswer, redacted_answer
from tiktok_forwarder.evidence.prover import PIXEL_PLACEHOLDER, TOKEN_PLACEHOLDER, WRONG_TOKEN, TrialRequest
from tiktok_forwarder.evidence.trials import TrialToken

_TOKENS: Final[dict[TrialToken, str]] = {"valid": TOKEN_PLACEHOLDER, "wrong": WRONG_TOKEN, "empty": ""}


@contextmanager
def running_sandbox() -> Iterator[str]:
    """Yield the URL of a sandbox that knows one access token and one pixel: the placeholders of a trial's request.

    Raises `ForwarderError` if it does not start.
    """
    with TemporaryDirectory(prefix="tiktok-forwarder-") as folder:
        port = free_port(0)
        arguments = ["sandbox", "--port", str(port), "--token", f"{TOKEN_PLACEHOLDER}={PIXEL_PLACEHOLDER}"]
        process = Process("sandbox", arguments, Path(folder) / "sandbox.log", {})
        process.start()
        try:
            url = f"http://127.0.0.1:{port}"
            process.wait_until_answering(url)
            yield url
        finally:
            process.stop()


def answer_of_sandbox(url: str, request: TrialRequest) -> TrialAnswer:
    """Return what the sandbox at this URL answers to the same request."""
    return asyncio.run(_ask(url, request))


async def _ask(url: str, request: TrialRequest) -> TrialAnswer:
    sender = TikTokHttpSender(url)
    try:
        body = msgspec.json.encode(request.body)
        answer = await sender.send(OutboundRequest(request.path, _TOKENS[request.token], body))
    finally:
        await sender.close()
    return redacted_answer(answer, {})
