"""The test purchase, and the settings of a sender."""

import json
import shlex
from typing import Any

import pytest
from msgspec import structs

from tests.unit.mapping.batches import outcomes_of
from tiktok_forwarder.api.types import InputCredentials, InputView
from tiktok_forwarder.console.sample_data import curl_command, sample_purchase
from tiktok_forwarder.console.sender_settings import sender_settings
from tiktok_forwarder.domain.outcome import Mapped
from tiktok_forwarder.mapping.connection import read_connection

BASE = "https://events.example.com"


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"events_api": "1.0"},
        {"email_identity_type": "other", "external_identity_type": "other_id_10"},
        {"email_identity_type": "customer_id", "default_currency": "JPY"},
        {"purchase_event": "CompletePayment", "environment": "development"},
    ],
)
def test_it_passes_whatever_identities_a_connection_looks_for(settings: dict[str, str]) -> None:
    """It becomes one purchase with the id it was given, without a warning."""
    given = {"name": "Shop", "pixel_id": "C9", **settings}
    connection = read_connection(given, needs_token=False).connection
    [outcome] = outcomes_of(sample_purchase(connection, "test-1"), **settings)
    assert isinstance(outcome, Mapped)
    assert (outcome.event, outcome.event_id) == (settings.get("purchase_event", "PlaceAnOrder"), "test-1")
    assert outcome.warnings == ()


def test_a_terminal_takes_the_command_as_it_is() -> None:
    """Whatever the secret holds."""
    batch = sample_purchase(None, "x")
    words = shlex.split(curl_command(BASE, "key", 'it\'s $(a) "secret"', batch))
    assert words[:5] == ["curl", "--include", "--user", 'key:it\'s $(a) "secret"', f"{BASE}/v2/events"]
    assert json.loads(words[-1]) == batch


def known_input(**members: Any) -> InputView:
    """An input of a server as the API shows it; keyword arguments replace its members."""
    view = InputView(
        "in_1",
        1,
        "web",
        "the-key",
        "/webhook/web",
        rotating=False,
        unreadable=False,
        kind="server",
        origins=[],
        allows_purchases=True,
        old_key=None,
    )
    return structs.replace(view, **members)


def test_what_is_made_just_now_is_shown_and_later_is_not() -> None:
    """The same places hold words that say what belongs there."""
    made = InputCredentials("in_1", "web", "the-key", "the-secret", "Token the-value")
    new = sender_settings(BASE, known_input(), made)
    assert (new.secret, new.authorization, new.includes_secrets, new.is_local) == (
        "the-secret",
        "Token the-value",
        True,
        False,
    )
    assert (new.sdk_base_url, new.webhook_url) == (f"{BASE}/v2", f"{BASE}/webhook/web")
    later = sender_settings("http://127.0.0.1:8090", known_input())
    assert (later.includes_secrets, later.is_local) == (False, True)
    assert later.secret in later.curl and "the-secret" not in later.curl
