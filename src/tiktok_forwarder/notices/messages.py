"""What a notice says: titles and texts of each kind of incident, when it begins and when it is over.

They contain names, reasons and counts. No part of an event and no text of TikTok's gets here.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal
from urllib.parse import quote

from msgspec import Struct

from tiktok_forwarder.notices.incidents import Finding, IncidentKind

NoticeType = Literal["incident.opened", "incident.closed", "test"]


class Notice(Struct, frozen=True):
    """The contents of a notice. `path` is a page of the console. Times are in ms since 1970.

    `kind`, `subject`, `name`, `facts` and `opened_at_ms` are those of the incident, empty for a test.
    """

    type: NoticeType
    title: str
    text: str
    path: str
    at_ms: int
    kind: IncidentKind | None = None
    subject: str = ""
    name: str = ""
    opened_at_ms: int | None = None
    facts: dict[str, Any] = {}


class _Words(Struct, frozen=True):
    """The words of one kind: title and text from a finding, the text when it is over, and the page that helps."""

    title: Callable[[Finding], str]
    text: Callable[[Finding], str]
    over: str
    path: Callable[[Finding], str]


def opening_notice(finding: Finding, now_ms: int) -> Notice:
    words = _WORDS[finding.kind]
    return Notice(
        "incident.opened",
        _line(words.title(finding)),
        _line(words.text(finding)),
        words.path(finding),
        now_ms,
        finding.kind,
        finding.subject,
        finding.name,
        now_ms,
        finding.facts,
    )


def closing_notice(finding: Finding, opened_at_ms: int, now_ms: int) -> Notice:
    """Return the notice that an incident is over, which was found as this when it began."""
    words = _WORDS[finding.kind]
    text = f"{words.over} It began at {time_text(opened_at_ms)}, {_span(now_ms - opened_at_ms)} ago."
    return Notice(
        "incident.closed",
        _line(f"Over: {words.title(finding)}"),
        _line(text),
        words.path(finding),
        now_ms,
        finding.kind,
        finding.subject,
        finding.name,
        opened_at_ms,
        finding.facts,
    )


def testing_notice(recipient_name: str, now_ms: int) -> Notice:
    text = f"This is a test of the recipient {recipient_name}. Notices about incidents will arrive here too."
    return Notice("test", "Test of tiktok-forwarder's notices", _line(text), "/notices", now_ms)


def time_text(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _line(text: str) -> str:
    """Return the text on one line: a name may contain any character, and a title becomes an email's subject."""
    return " ".join("".join(char if char.isprintable() else " " for char in text).split())


def _span(milliseconds: int) -> str:
    minutes = max(1, milliseconds // 60_000)
    if minutes < 120:
        return _count(minutes, "minute")
    return _count(minutes // 60, "hour") if minutes < 48 * 60 else _count(minutes // (24 * 60), "day")


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def _connection_path(finding: Finding) -> str:
    return f"/connections/{quote(finding.subject, safe='')}"


# --- the kinds -------------------------------------------------------------------------------------------------------


def _paused_text(finding: Finding) -> str:
    facts = finding.facts
    who = "The service" if facts["by"] == "service" else str(facts["by"])
    code = f" (code {facts['code']})" if "code" in facts else ""
    if facts["condition"] == "paused":
        reason = "because of TikTok's answers" + code if facts["by"] == "service" else "manually"
        begin = f"{who} paused connection {finding.name} {reason}."
    else:
        begin = f"TikTok refuses the events of connection {finding.name}{code}."
    return f"{begin} Its events are kept and are not delivered. Open the connection, fix the reason and resume it."


def _dead_letters_text(finding: Finding) -> str:
    listed = ", ".join(f"{reason.replace('_', ' ')} {count:,}" for reason, count in finding.counts("reasons").items())
    return (
        f"Events of connection {finding.name} have become dead letters. It has {finding.number('dead_letters'):,} now: "
        f"{listed}. View their reasons, fix the cause, then replay or discard them."
    )


def _store_text(finding: Finding) -> str:
    remedy = str(finding.facts["remedy"])
    return f"The event store accepts no new events ({finding.name}): senders get HTTP 503 and must retry." + (
        f" What to do: {remedy}." if remedy else ""
    )


def _silent_text(finding: Finding) -> str:
    return (
        f"Input {finding.name} has received no event for {_count(finding.number('minutes'), 'minute')}. In the same "
        f"time on the days before, it received {finding.number('usual_events'):,} (median). Check its sender."
    )


def _purchases_text(finding: Finding) -> str:
    return (
        f"Connection {finding.name} got {_count(finding.number('purchases'), 'purchase')} in the last "
        f"{_hours(finding)}, and {finding.number('usual_purchases'):,} in the same hours of the days before (median). "
        "Check the senders, the mapping of purchases, and recent drops."
    )


def _match_keys_text(finding: Finding) -> str:
    shares, usual = finding.counts("percent"), finding.counts("usual_percent")
    listed = ", ".join(f"{_key_label(key)} {usual[key]}% before, {share}% now" for key, share in shares.items())
    return (
        f"Fewer events of connection {finding.name} have keys by which TikTok can match a person, in the last "
        f"{_hours(finding)} compared with the same hours of the days before: {listed}. Check what the senders send."
    )


def _key_label(key: str) -> str:
    labels = {"ip_and_user_agent": "IP address with user agent", "external_id": "external ID", "click_id": "click ID"}
    return labels.get(key, key)


def _hours(finding: Finding) -> str:
    hours = finding.number("hours")
    return "hour" if hours == 1 else f"{hours} hours"


def _test_code_text(finding: Finding) -> str:
    return (
        f"Connection {finding.name} has had a test event code for more than a day, since "
        f"{finding.facts['since']}. TikTok treats its events as tests and does not count them. Remove the code when "
        "the test is done."
    )


_WORDS: Final[Mapping[IncidentKind, _Words]] = {
    "connection_paused": _Words(
        lambda finding: (
            f"{finding.name}: delivery is paused"
            if finding.facts["condition"] == "paused"
            else f"{finding.name}: TikTok refuses the events"
        ),
        _paused_text,
        "The connection is delivered again, was disabled, or was removed.",
        _connection_path,
    ),
    "dead_letters": _Words(
        lambda finding: f"{finding.name}: new dead letters",
        _dead_letters_text,
        "There were no new dead letters for a while. Those that are there are kept.",
        lambda _: "/dead-letters",
    ),
    "store_problem": _Words(
        lambda finding: f"The event store accepts no new events: {finding.name}",
        _store_text,
        "The event store accepts new events again.",
        lambda _: "/",
    ),
    "input_silent": _Words(
        lambda finding: f"{finding.name}: no events received",
        _silent_text,
        "The input receives events again, or was removed.",
        lambda finding: f"/inputs/{quote(finding.name, safe='')}",
    ),
    "purchases_fell": _Words(
        lambda finding: f"{finding.name}: purchases fell",
        _purchases_text,
        "There are about as many purchases as usual again, or the comparison with the days before has ended.",
        _connection_path,
    ),
    "match_keys_fell": _Words(
        lambda finding: f"{finding.name}: match keys fell",
        _match_keys_text,
        "About as many events have match keys as usual again, or the comparison with the days before has ended.",
        lambda finding: f"/health/{quote(finding.subject, safe='')}",
    ),
    "test_code_on": _Words(
        lambda finding: f"{finding.name}: a test event code is set",
        _test_code_text,
        "The connection has no test event code any more, or was disabled or removed.",
        _connection_path,
    ),
}
