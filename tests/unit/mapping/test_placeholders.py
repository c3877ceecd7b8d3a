"""Placeholders from documentation and forms are recognized; invented IDs that look like real ones are not."""

import pytest

from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.mapping.connection import read_connection
from tiktok_forwarder.mapping.placeholders import is_placeholder

GIVEN = {"name": "Shop", "pixel_id": "C9EXAMPLEPIXELID", "access_token": "0123456789abcdef"}


@pytest.mark.parametrize(
    "value",
    [
        *("YOUR PIXEL ID", "YOUR_PIXEL_ID", "YOUR-PIXEL-ID", "your.pixel.id", "YourPixelId", "YOURS", "MY PIXEL"),
        *("PIXEL_ID", "PIXEL_CODE", "EVENT_SOURCE_ID", "MY_PIXEL_ID", "PixelID", "PIXEL", "tiktok-pixel-id"),
        *("YOUR_ACCESS_TOKEN", "YOUR-ACCESS-TOKEN", "ACCESS_TOKEN", "access-token", "AccessToken", "token"),
        *("<pixel id>", "<PIXEL>", "{{Access-Token}}", "${TIKTOK_TOKEN}", "[token]", "…", "...", "****", "---"),
        *("xxx", "XXXXXXXXXX", "xxxx-xxxx", "C4XXXXXXXXXXXX", "changeme", "CHANGE_ME", "change-me-2", "placeholder"),
        *("INSERT_TOKEN_HERE", "paste-your-token-here"),
    ],
)
def test_placeholder_is_recognized(value: str) -> None:
    """However it is spelled, joined or bracketed."""
    assert is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    [
        *(
            "C9EXAMPLEPIXELID",
            "EXAMPLEPIXEL",
            "DEMOPIXELSHOP",
            "PIXEL1",
            "PIXELSHOP",
            "pixel-Shop",
            "C9",
            "P",
            "ANOTHER",
        ),
        *("CAXXX3JC77U8XXXKF9C0", "BVQ1LQ8DI5TAYOURPVE0", "4f0a3c2e9d8b7a6f5e4d3c2b1a09f8e7d6c5b4a3"),
        *("access-token-0123456789", "demo-token", "example-token", "good-access-token-0123456789"),
    ],
)
def test_value_that_looks_real_is_not_refused(value: str) -> None:
    """TikTok's IDs are random capitals and digits, in which a short word may occur."""
    assert not is_placeholder(value)


def test_placeholder_is_refused_when_a_connection_is_saved() -> None:
    """Both at the same time, with where to find the real ones; of the token nothing is shown."""
    with pytest.raises(ConfigurationError) as refused:
        read_connection({**GIVEN, "pixel_id": "YOUR PIXEL ID", "access_token": "YOUR_ACCESS_TOKEN"})
    assert refused.value.problems == (
        "pixel_id: must be the ID that TikTok Events Manager shows for your pixel, not 'YOUR PIXEL ID'",
        "access_token: must be the token that TikTok Events Manager generated, not a placeholder (its value is not "
        "shown)",
    )


def test_stored_placeholder_is_read_all_the_same() -> None:
    """A service that was updated must start, whatever was saved before the rule."""
    settings = {**GIVEN, "pixel_id": "YOUR PIXEL ID"}
    assert read_connection(settings, may_be_placeholder=True).connection.pixel_id == "YOUR PIXEL ID"
