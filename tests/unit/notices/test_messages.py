"""What notices say: one line, in plain words, with what to do and where."""

import pytest

from tiktok_forwarder.notices.incidents import INCIDENT_KINDS, LABELS, Facts, Finding, IncidentKind
from tiktok_forwarder.notices.messages import Notice, closing_notice, opening_notice
from tiktok_forwarder.notices.sending import webhook_payload

NOW = 1_764_511_200_000
FACTS: dict[IncidentKind, Facts] = {
    "connection_paused": {"condition": "paused", "by": "service", "code": 40105},
    "dead_letters": {"dead_letters": 1200, "reasons": {"refused": 1199, "retries_exhausted": 1}},
    "store_problem": {"remedy": "free space on the disk"},
    "input_silent": {"minutes": 45, "usual_events": 1200},
    "purchases_fell": {"hours": 3, "purchases": 1, "usual_purchases": 40},
    "match_keys_fell": {"hours": 1, "percent": {"email": 12}, "usual_percent": {"email": 64}},
    "test_code_on": {"since": "2026-11-29 06:20 UTC"},
}
TEXTS: dict[IncidentKind, str] = {
    "connection_paused": "paused connection Shop because of TikTok's answers (code 40105). Its events are kept",
    "dead_letters": "It has 1,200 now: refused 1,199, retries exhausted 1.",
    "store_problem": "senders get HTTP 503 and must retry. What to do: free space on the disk.",
    "input_silent": "received no event for 45 minutes. In the same time on the days before, it received 1,200",
    "purchases_fell": "got 1 purchase in the last 3 hours, and 40 in the same hours of the days before",
    "match_keys_fell": "in the last hour compared with the same hours of the days before: email 64% before, 12% now.",
    "test_code_on": "has had a test event code for more than a day, since 2026-11-29 06:20 UTC.",
}


def finding(kind: IncidentKind, name: str = "Shop") -> Finding:
    return Finding(kind, "cn_1", name, FACTS[kind])


@pytest.mark.parametrize("kind", INCIDENT_KINDS)
def test_every_kind_has_its_words(kind: IncidentKind) -> None:
    """At its beginning with reason and remedy, at its end with how long it lasted."""
    opened = opening_notice(finding(kind), NOW)
    assert "Shop" in opened.title + opened.text and TEXTS[kind] in opened.text
    assert opened.path.startswith("/") and LABELS[kind]
    closed = closing_notice(finding(kind), NOW, NOW + 3 * 3_600_000)
    assert closed.title == f"Over: {opened.title}"
    assert closed.text.endswith("It began at 2025-11-30 14:00 UTC, 3 hours ago.")


def test_pause_by_a_person_names_who_and_not_why() -> None:
    """A person's own words could contain anything."""
    found = Finding("connection_paused", "cn_1", "Shop", {"condition": "paused", "by": "user anna"})
    assert "user anna paused connection Shop manually." in opening_notice(found, NOW).text
    found = Finding("connection_paused", "cn_1", "Shop", {"condition": "refused", "by": "service", "code": 40002})
    refused = opening_notice(found, NOW)
    assert refused.title == "Shop: TikTok refuses the events" and "(code 40002)" in refused.text


@pytest.mark.parametrize("kind", INCIDENT_KINDS)
def test_name_with_line_breaks_stays_on_one_line(kind: IncidentKind) -> None:
    """A title becomes an email's subject: it cannot add a header."""
    hostile = opening_notice(finding(kind, "a\r\nBcc: eve@example.com\x00\u2028b"), NOW)
    assert (hostile.title + hostile.text).isprintable()


def test_webhook_has_the_members_of_the_specification() -> None:
    """Its type, its time, and data for programs."""
    payload = webhook_payload(opening_notice(finding("dead_letters"), NOW), "https://forwarder.example.com/x")
    assert (payload["type"], payload["timestamp"]) == ("incident.opened", "2025-11-30T14:00:00.000Z")
    data = payload["data"]
    assert (data["kind"], data["subject"]) == ("dead_letters", {"id": "cn_1", "name": "Shop"})
    assert (data["facts"], data["url"]) == (FACTS["dead_letters"], "https://forwarder.example.com/x")
    assert webhook_payload(Notice("test", "a", "b", "/", NOW), "")["data"] == {"title": "a", "text": "b", "url": None}
