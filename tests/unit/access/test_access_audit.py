"""Every change of who may come in leaves a record: what was done, by whom, and to whom."""

import pytest
from tests.unit.access.access_rig import GOOD, HERE, OTHER, Console

from tiktok_forwarder.access.api_keys import ApiKeys
from tiktok_forwarder.access.console_access import LoggedIn, Refused
from tiktok_forwarder.domain.errors import ConfigurationError, UnknownName

# --- the audit ---


async def test_audit_tells_who_made_a_link_and_for_whom(console: Console) -> None:
    """An entry names who made the link and, under the user's own spelling, whose password it sets."""
    await console.users.add("Ben", "viewer", "test")
    await console.access.link_for("  BEN ", "user Ada")
    assert await console.audited() == [("console_link", "user Ada", {"user": "Ben"})]


async def test_audit_tells_who_made_the_first_link() -> None:
    """The link that makes the first administrator is for no user yet; its use names the one it made."""
    console = Console()
    token = await console.access.first_link("command line")
    await console.access.accept_link(token, "Ada", GOOD, HERE)
    assert await console.audited() == [
        ("console_link", "command line", {}),
        ("set_password", "user Ada", {"by": "console link"}),
    ]


async def test_audit_tells_a_password_set_by_link_from_a_changed_one(console: Console) -> None:
    """Both are `set_password` of their user; only the one by link says that no present password was needed."""
    ben = await console.users.add("Ben", "viewer", "test")
    _, token = await console.access.link_for("Ben", "command line")
    entry = await console.access.accept_link(token, "Ada", GOOD, HERE)
    await console.access.change_password(ben.id, GOOD, OTHER, entry.reference, HERE)
    assert await console.audited() == [
        ("console_link", "command line", {"user": "Ben"}),
        ("set_password", "user Ben", {"by": "console link"}),
        ("set_password", "user Ben", {}),
    ]


async def test_audit_tells_logins_from_failed_and_refused_ones(console: Console) -> None:
    """Each names the account if there is one; what was typed for an unknown name is not repeated."""
    assert isinstance(await console.log_in("ada"), LoggedIn)
    for name, source in (("ada", HERE), ("ada", HERE), ("nobody", "198.51.100.9"), ("nobody", "198.51.100.9")):
        assert isinstance(await console.log_in(name, "a wrong password", source), Refused)
    assert await console.audited() == [
        ("login", "user Ada", {}),
        ("login_failed", "user Ada", {}),
        ("login_refused", "user Ada", {}),
        ("login_failed", "unknown user", {}),
        ("login_refused", "unknown user", {}),
    ]


async def test_audit_tells_when(console: Console) -> None:
    """The entry has the time of the change, and the document the same actor."""
    console.wait(90)
    await console.log_in()
    (entry,) = await console.audit.latest(10)
    (document,) = await console.store.list_documents("audit")
    assert entry.at_ms == document.changed_at_ms == console.clock.time_ms
    assert entry.by == document.changed_by == "user Ada"


async def test_audit_has_no_entry_of_what_was_refused(console: Console) -> None:
    """A link, a password or a first administrator that did not come to be is no change."""
    ada = console.users.all()[0]
    _, token = await console.access.link_for("Ada", "test")
    with pytest.raises(UnknownName):
        await console.access.link_for("nobody", "test")
    with pytest.raises(ConfigurationError):
        await console.access.first_link("test")
    with pytest.raises(ConfigurationError):
        await console.access.accept_link(token, "", "short", HERE)
    with pytest.raises(UnknownName):
        await console.access.accept_link("made-up", "Ada", OTHER, HERE)
    with pytest.raises(ConfigurationError):
        await console.access.change_password(ada.id, GOOD, "short", "", HERE)
    assert await console.audited() == [("console_link", "test", {"user": "Ada"})]


async def test_audit_tells_wrong_current_passwords_as_it_tells_logins(console: Console) -> None:
    """Whoever has somebody's session and guesses the password is seen, once for a series."""
    ada = console.users.all()[0]
    for current in ("wrong", GOOD, "wrong again"):
        assert isinstance(await console.access.change_password(ada.id, current, OTHER, "", HERE), Refused)
    assert await console.actions() == [("login_failed", "user Ada"), ("login_refused", "user Ada")]


async def test_audit_has_one_entry_for_a_series_of_refused_logins(console: Console) -> None:
    """A series ends when a password is looked at again; a series from another source has its own entry."""
    refused = ("login_refused", "user Ada")
    await console.log_in(password="a wrong password")
    for _ in range(5):
        await console.log_in(name="ADA")
    assert (await console.actions()).count(refused) == 1
    await console.log_in(password="a wrong password", source="198.51.100.9")
    await console.log_in(source="198.51.100.9")
    assert (await console.actions()).count(refused) == 2
    console.wait(1)
    await console.log_in(password="a wrong password")
    await console.log_in()
    assert (await console.actions()).count(refused) == 3


async def test_audit_has_a_thousand_refused_logins_at_most(console: Console) -> None:
    """Whoever has many addresses cannot fill the store with entries."""
    for number in range(21):
        await console.throttle.try_login("Ada", f"guesser {number}")
    for number in range(1002):
        assert isinstance(await console.log_in(source=f"source {number}"), Refused)
    assert await console.actions() == [("login_refused", "user Ada")] * 1000


# --- histories ---


async def history(console: Console, user_id: str) -> list[tuple[str, bool]]:
    """Who made each revision, oldest first, and whether the user is there after it."""
    return [(each.changed_by, each.body != b"") for each in await console.store.document_history("user", user_id)]


async def test_history_tells_who_changed_a_user(console: Console) -> None:
    """Adding, the password by link, the role, the changed password and the removal: each with its actor."""
    ben = await console.users.add("Ben", "viewer", "user Ada")
    _, token = await console.access.link_for("Ben", "user Ada")
    entry = await console.access.accept_link(token, "", GOOD, HERE)
    await console.access.set_role("Ben", "admin", "command line")
    await console.access.change_password(ben.id, GOOD, OTHER, entry.reference, HERE)
    await console.access.remove("Ben", "API key ops")
    assert await history(console, ben.id) == [
        ("user Ada", True),
        ("console link", True),
        ("command line", True),
        ("user Ben", True),
        ("API key ops", False),
    ]


async def test_history_tells_who_the_first_link_made() -> None:
    """The first administrator was made by the link, since nobody was there who could have made them."""
    console = Console()
    entry = await console.access.accept_link(await console.access.first_link("command line"), "Ada", GOOD, HERE)
    assert await history(console, entry.user.id) == [("console link", True)]


async def test_history_tells_who_renewed_a_hash(console: Console) -> None:
    """A login that strengthens the stored hash is the user's own doing."""
    console.hasher.current = False
    entry = await console.entered()
    made, renewed = await history(console, entry.user.id)
    assert made == ("test", True)
    assert renewed[0].removeprefix("user ") == "Ada"


async def test_history_tells_who_made_and_revoked_an_api_key(console: Console) -> None:
    """A key that was used can be traced to who made it, also when it is gone."""
    keys = ApiKeys(console.shared, console.clock)
    made = await keys.make("ops", "admin", "user Ada")
    await keys.revoke("ops", "command line")
    found = await console.store.document_history("api_key", made.id)
    assert [(each.changed_by, each.body != b"") for each in found] == [("user Ada", True), ("command line", False)]
    assert b"ops" in found[0].body
