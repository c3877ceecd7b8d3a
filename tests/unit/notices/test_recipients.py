"""Recipients: what is refused, what is sealed, and what stays when settings change."""

from typing import Any

import msgspec
import pytest

from tests.unit.notices.rig import NoticeRig
from tiktok_forwarder.domain.errors import ConfigurationError, RevisionConflict, UnknownName
from tiktok_forwarder.notices.recipient_settings import RecipientSettings
from tiktok_forwarder.notices.recipients import MAX_RECIPIENTS, SIGNING_SECRET

URL = "https://hooks.example.com/services/very-secret"
EMAIL: dict[str, Any] = {
    "kind": "email",
    "url": None,
    "to_addresses": ["ops@example.com"],
    "from_address": "forwarder@example.com",
    "smtp_host": "smtp.example.com",
}
LOGIN: dict[str, Any] = {"smtp_username": "forwarder", "smtp_password": "very-secret"}


def settings(name: str = "Ops", **members: Any) -> RecipientSettings:
    return msgspec.convert({"name": name, "kind": "slack", "url": URL, **members}, RecipientSettings)


async def problems(rig: NoticeRig, **members: Any) -> list[str]:
    with pytest.raises(ConfigurationError) as error:
        await rig.recipients.add(settings(**members), "test")
    return list(error.value.problems)


async def test_secrets_are_sealed_and_never_stored_otherwise() -> None:
    """URL, password and signing secret; the origin is what may be shown."""
    rig = NoticeRig()
    _, signing_secret = await rig.recipients.add(settings(kind="webhook"), "test")
    await rig.recipients.add(settings("Mail", **EMAIL, **LOGIN), "test")
    stored = [each.body.decode() for each in await rig.store.list_documents("recipient")]
    assert signing_secret is not None and len(stored) == 2
    assert not [text for text in stored if "very-secret" in text or signing_secret in text]
    webhook, mail = rig.recipients.all()
    assert webhook.record.origin == "https://hooks.example.com"
    assert rig.recipients.secret_of(webhook, "url") == URL
    assert rig.recipients.secret_of(mail, "smtp_password") == "very-secret"
    assert rig.recipients.signing_secrets(webhook) == [signing_secret]


@pytest.mark.parametrize(
    ("members", "problem"),
    [
        ({"name": " "}, "name: must be 1 to 63 printable characters"),
        ({"url": None}, "url: is missing"),
        ({"url": "http://hooks.example.com/"}, "url: must be https:// and a host"),
        ({"url": "https://user:very-secret@hooks.example.com/"}, "url: must be https:// and a host"),
        ({"incidents": []}, "incidents: must be at least one kind"),
        ({"smtp_host": "smtp.example.com"}, "smtp_host: only a recipient of the kind email has one"),
        ({**EMAIL, "url": URL}, "url: a recipient of the kind email has none"),
        ({**EMAIL, "to_addresses": []}, "to_addresses: must be 1 to 10 email addresses"),
        ({**EMAIL, "to_addresses": ["a b@example.com"]}, "to_addresses: must be email addresses"),
        ({**EMAIL, "from_address": "x@example.com\r\nBcc: y@example.com"}, "from_address: must be an email address"),
        ({**EMAIL, "smtp_host": "smtp.example.com:25"}, None),
        ({**EMAIL, "smtp_host": "-"}, "smtp_host: must be the name or address of an SMTP server"),
        ({**EMAIL, "smtp_port": 0}, "smtp_port: must be a number from 1 to 65,535"),
        ({**EMAIL, "smtp_username": "u"}, "smtp_password: is missing"),
        ({**EMAIL, "smtp_password": "p"}, "smtp_username: is missing"),
        ({**EMAIL, **LOGIN, "smtp_security": "none"}, "smtp_security: must be starttls or tls with a password"),
    ],
)
async def test_mistake_is_named_with_its_field_and_quotes_no_secret(
    members: dict[str, Any], problem: str | None
) -> None:
    """The console finds the field by the prefix."""
    rig = NoticeRig()
    found = await problems(rig, **members)
    assert "very-secret" not in str(found)
    assert any(each.startswith(problem or "smtp_host:") for each in found)
    assert rig.recipients.all() == []


async def test_secret_that_is_not_given_stays() -> None:
    """Nobody types a URL again to change a name."""
    rig = NoticeRig()
    added = await rig.add()
    changed = await rig.recipients.set(
        "Ops", settings("Operators", url=None), expected_revision=added.revision, changed_by="test"
    )
    assert (changed.name, rig.recipients.secret_of(changed, "url")) == (
        "Operators",
        "https://hooks.example.com/secret",
    )
    with pytest.raises(RevisionConflict):
        await rig.recipients.set("Operators", settings(), expected_revision=added.revision, changed_by="test")
    with pytest.raises(UnknownName):
        await rig.recipients.set("Ops", settings(), expected_revision=None, changed_by="test")


@pytest.mark.parametrize("change", [{"smtp_host": "smtp.evil.example"}, {"smtp_username": "other"}])
async def test_password_is_not_sent_to_another_server(change: dict[str, str]) -> None:
    """Who may change settings must not get to know a password that they did not enter."""
    rig = NoticeRig()
    await rig.recipients.add(settings(**EMAIL, **LOGIN), "test")
    given = {**EMAIL, "smtp_username": "forwarder", **change}
    with pytest.raises(ConfigurationError, match="smtp_password: is missing"):
        await rig.recipients.set("Ops", settings(**given), expected_revision=None, changed_by="test")
    await rig.recipients.set(
        "Ops", settings(**{**given, "smtp_password": "new"}), expected_revision=None, changed_by="test"
    )
    assert rig.recipients.secret_of(rig.recipients.all()[0], "smtp_password") == "new"


async def test_name_and_kind_identify_a_recipient() -> None:
    """A name is unique in any case, and the kind cannot change."""
    rig = NoticeRig()
    await rig.add("Ops")
    assert await problems(rig, name="ops") == ['name: a recipient named "ops" already exists']
    with pytest.raises(ConfigurationError, match='kind: is "slack" and cannot change'):
        await rig.recipients.set("Ops", settings(kind="webhook"), expected_revision=None, changed_by="test")


async def test_recipients_are_bounded() -> None:
    """Each gets a request for each notice."""
    rig = NoticeRig()
    for number in range(MAX_RECIPIENTS):
        await rig.add(f"r{number}")
    assert await problems(rig, name="more") == ["name: at most 50 recipients are allowed; remove one first"]


async def test_old_signing_secret_signs_for_a_day_after_a_rotation() -> None:
    """The receiver changes over in its own time."""
    rig = NoticeRig()
    _, old = await rig.recipients.add(settings(kind="webhook"), "test")
    webhook, new = await rig.recipients.rotate("Ops", "test")
    assert rig.recipients.signing_secrets(webhook) == [new, old]
    rig.later(24 * 3600)
    assert rig.recipients.signing_secrets(webhook) == [new]
    await rig.add("Chat")
    with pytest.raises(ConfigurationError, match="only a webhook has a signing secret"):
        await rig.recipients.rotate("Chat", "test")


async def test_import_is_all_or_nothing_and_repeats_without_a_change() -> None:
    """A file in version control can be applied again and again."""
    rig = NoticeRig()
    given = [settings("Chat"), settings("Hook", kind="webhook"), settings("Mail", **EMAIL, **LOGIN)]
    planned = await rig.recipients.import_all(given, dry_run=True, changed_by="test")
    assert ([each.change for each in planned], rig.recipients.all()) == (["add"] * 3, [])
    assert planned[1].signing_secret is None
    added = await rig.recipients.import_all(given, dry_run=False, changed_by="test")
    assert added[1].signing_secret == rig.recipients.signing_secrets(rig.recipients.all()[1])[0]
    again = await rig.recipients.import_all(given, dry_run=False, changed_by="test")
    assert [each.change for each in again] == ["none"] * 3
    kept = [settings("Chat", url=None, incidents=["dead_letters"])]
    (difference,) = await rig.recipients.import_all(kept, dry_run=False, changed_by="test")
    assert (difference.change, difference.replaces_secrets) == ("change", False)
    with pytest.raises(ConfigurationError) as error:
        await rig.recipients.import_all([settings("New"), settings("Bad", url=None)], dry_run=False, changed_by="test")
    assert error.value.problems == ("recipients[1] Bad: url: is missing",)
    assert len(rig.recipients.all()) == 3


async def test_another_process_sees_recipients_and_their_removal() -> None:
    """Each node has copies; the one that sends may not be the one on which a recipient was added."""
    rig, other = NoticeRig(), NoticeRig()
    other.parts.shared.store = rig.store
    await other.parts.shared.load()
    await rig.add()
    await other.parts.shared.catch_up()
    assert [each.name for each in other.recipients.all()] == ["Ops"]
    await rig.recipients.remove("ops", "test")
    await other.parts.shared.catch_up()
    assert other.recipients.all() == []


async def test_webhook_has_a_secret_and_others_have_none() -> None:
    """Slack does not verify signatures."""
    rig = NoticeRig()
    assert (await rig.recipients.add(settings("Chat"), "test"))[1] is None
    hook, _ = await rig.recipients.add(settings("Hook", kind="webhook"), "test")
    assert set(hook.record.sealed) == {"url", SIGNING_SECRET}
