"""TikTok's own Python SDK as a client: the sandbox speaks the shape that it expects of 1.0."""

import asyncio
from collections.abc import Callable
from typing import Any

import business_api_client as tiktok
import pytest
from business_api_client.tiktok_business.tiktok_exceptions import TiktokSDKError

from tests.integration.sandbox_client import sandbox_client
from tests.unit.tiktok_sandbox.requests import DIGEST
from tiktok_sandbox import Code


def _sdk(url: str) -> Any:
    configuration = tiktok.Configuration()
    configuration.host = url
    return tiktok.EventCallbackApi(tiktok.ApiClient(configuration))


def _context() -> Any:
    return tiktok.PixelContext(
        ad=tiktok.PixelContextAd(callback="E.C.P.abc"),
        page=tiktok.PixelContextPage(url="http://shop.example.com/thanks", referrer="http://shop.example.com"),
        user=tiktok.PixelContextUser(email=DIGEST, phone_number=DIGEST, external_id=DIGEST, ttp="94e2a4j9"),
        ip="203.0.113.9",
        user_agent="Mozilla/5.0",
    )


def _track_body(event_id: Any) -> Any:
    content = tiktok.PixelContent(price=8.0, quantity=2, content_type="product", content_id="1", content_name="socks")
    return tiktok.PixelTrackBody(
        pixel_code="PIXEL",
        event="CompletePayment",
        event_id=event_id,
        context=_context(),
        properties=tiktok.PixelProperties(currency="USD", value=16.0, contents=[content]),
    )


def _batch_body(*event_ids: str) -> Any:
    return tiktok.PixelBatchBody(
        pixel_code="PIXEL",
        batch=[
            tiktok.PixelbatchBatch(type="track", event="AddToCart", event_id=each, context=_context())
            for each in event_ids
        ],
    )


async def _call(method: Callable[..., Any], token: str, body: Any) -> Any:
    return await asyncio.to_thread(method, token, body=body)


async def test_the_sdk_tracks_one_event() -> None:
    """It takes the answer for a success, and nothing it writes gives a warning."""
    async with sandbox_client() as client:
        answer = await _call(_sdk(client.sandbox.url).pixel_track, "made-up", _track_body("e-1"))
        assert answer["data"] == {}
        (event,) = client.sandbox.events()
        assert (event.path, event.event_source_id, event.event, event.event_id, event.code, event.warnings) == (
            "/open_api/v1.3/pixel/track/",
            "PIXEL",
            "CompletePayment",
            "e-1",
            0,
            (),
        )


async def test_the_sdk_sends_a_batch() -> None:
    """Two events in one request, both delivered."""
    async with sandbox_client() as client:
        await _call(_sdk(client.sandbox.url).pixel_batch, "made-up", _batch_body("e-1", "e-2"))
        assert [(event.event_id, event.code, event.warnings) for event in client.sandbox.events()] == [
            ("e-1", 0, ()),
            ("e-2", 0, ()),
        ]


async def test_the_sdk_understands_refusals() -> None:
    """Code and message reach its exception, for a rule of the sandbox and for a scripted code."""
    async with sandbox_client() as client:
        sdk = _sdk(client.sandbox.url)
        with pytest.raises(
            TiktokSDKError, match=r"Error Code: 40002, message: Invalid value for event_id: not a valid"
        ):
            await _call(sdk.pixel_track, "made-up", _track_body(12345))
        client.sandbox.script.for_requests(Code(code=40105))
        with pytest.raises(TiktokSDKError, match="Access token is incorrect or has been revoked"):
            await _call(sdk.pixel_batch, "made-up", _batch_body("e-1"))
