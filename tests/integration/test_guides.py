"""The guides' commands, run as they are written against real processes: a reader who follows them arrives."""

import json
import re
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.integration.guide_shell import GUIDES, README, Reading, blocks, follow, run_blocks
from tests.integration.service_process import SandboxThread

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(180),
    pytest.mark.sqlite_files("the guides are written for data directories"),
]

EVENT_ID = "70f1f6aa-8bec-40c7-b48c-1ca253db9fa3"


def arrived(log: Path) -> list[dict[str, Any]]:
    """What a sandbox wrote down, event by event."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def statuses(reading: Reading) -> list[dict[str, Any]]:
    """What each `status` of the guide printed."""
    found = [json.loads(line) for line in reading.output.splitlines() if line.startswith('{"running"')]
    return [each["connections"][0]["totals"] for each in found if each["connections"]]


def sandboxed(reading: Reading) -> tuple[dict[str, Any], dict[str, Any]]:
    """The only event that the guide's own sandbox showed, and the user in it."""
    (answer,) = (json.loads(line) for line in reading.output.splitlines() if line.startswith('{"events"'))
    (event,) = answer["events"]
    return event, event["payload"]["user"]


@pytest.fixture
def tiktok_log(tmp_path: Path) -> Path:
    return tmp_path / "tiktok.jsonl"


def followed(guide: str, tmp_path: Path, tiktok_log: Path, after: str = "") -> Reading:
    """The guide run to its end without an error, with a sandbox where it means TikTok."""
    room = tmp_path / "room"
    room.mkdir()
    with SandboxThread(tiktok_log) as tiktok:
        reading = follow(guide, room, tiktok.url, after)
    assert reading.status == 0, reading.output
    return reading


def test_the_way_from_the_hosted_output_arrives(tmp_path: Path, tiktok_log: Path) -> None:
    """Followed from first to last: the trial shows a duplicate, and what goes live delivers what mParticle posts."""
    real_event = (
        "sed 's/order-1001/order-2002/; s/70f1f6aa/81a2a7bb/' batch.json | curl --silent --fail --data @- "
        '-H "Authorization: $WEBHOOK_AUTHORIZATION" http://127.0.0.1:8090/webhook/mparticle\n'
        "sleep 2\ntiktok-forwarder status --data-dir data\nkill $service\nwait $service\n"
    )
    reading = followed("from-mparticle-hosted-output.md", tmp_path, tiktok_log, real_event)
    hosted, ours = arrived(reading.room / "migration" / "arrived.jsonl")
    assert (hosted["path"], ours["path"]) == ("/open_api/v1.3/pixel/track/", "/open_api/v1.3/event/track/")
    assert (hosted["duplicate"], ours["duplicate"]) == (False, True)
    assert [each[name] for each in (hosted, ours) for name in ("event", "event_id", "code")] == [
        *("PlaceAnOrder", EVENT_ID, 0),
        *("PlaceAnOrder", EVENT_ID, 0),
    ]
    test, live = (each for each in arrived(tiktok_log) if each["event"] == "PlaceAnOrder")
    assert (test["event_id"], live["event_id"]) == (EVENT_ID, EVENT_ID.replace("70f1f6aa", "81a2a7bb"))
    assert [each["delivered"] for each in statuses(reading)] == [1, 1, 1, 2]
    while_testing, _, while_live = reading.output.partition('"revision": 2')
    assert ("TEST12345" in while_testing, "TEST12345" in while_live) == (True, False)


def test_the_hosted_outputs_settings_have_keys_here() -> None:
    """The guide's table of settings names keys that a connection has."""
    page = (GUIDES / "from-mparticle-hosted-output.md").read_text()
    reference = (GUIDES.parent / "reference" / "connection.md").read_text()
    section = page[page.index("\n## 1. ") : page.index("\n## 2. ")]
    keys = re.findall(r"^\| [^|]+ \| `(\w+)` \|", section, re.MULTILINE)
    assert len(keys) >= 10
    assert [key for key in keys if f"\n| `{key}` |" not in reference] == []


def test_a_webhook_is_taken(tmp_path: Path, tiktok_log: Path) -> None:
    """The batch without events is answered 202, with the value that the guide made."""
    assert "\n202\n" in followed("send-a-webhook.md", tmp_path, tiktok_log).output


def test_the_python_sdk_sends(tmp_path: Path, tiktok_log: Path) -> None:
    """The guide's Python program, through mParticle's own SDK, brings a purchase to TikTok's stand-in."""
    reading = followed("send-with-your-server-sdk.md", tmp_path, tiktok_log)
    (event,) = arrived(reading.room / "arrived.jsonl")
    assert (event["event"], event["event_id"], event["code"]) == ("PlaceAnOrder", "order-1001", 0)
    assert [each["delivered"] for each in statuses(reading)] == [1]


def test_website_sends(tmp_path: Path, tiktok_log: Path) -> None:
    """The script is served, and a request like the script's reaches TikTok with the visitor's address and click ID."""
    reading = followed("send-from-a-website.md", tmp_path, tiktok_log)
    assert "window.tiktokForwarder" in reading.output
    event, user = sandboxed(reading)
    assert (event["event"], event["event_id"], event["code"]) == ("PlaceAnOrder", "order-1001", 0)
    assert (user["ip"], user["user_agent"]) == ("203.0.113.7", "Mozilla/5.0 (Macintosh)")
    assert user["ttclid"] == "E.C.P.ExampleClickId0123456789"
    assert [each["delivered"] for each in statuses(reading)] == [1]


def test_web_sdk_sends(tmp_path: Path, tiktok_log: Path) -> None:
    """The SDK's three requests are answered: configuration with its flags, an mParticle ID as text, the event."""
    reading = followed("send-with-the-web-sdk.md", tmp_path, tiktok_log)
    answers = [json.loads(line) for line in reading.output.splitlines() if line.startswith("{")]
    assert [answer["flags"]["eventBatchingIntervalMillis"] for answer in answers if "flags" in answer] == ["5000"]
    (mpid,) = (answer["mpid"] for answer in answers if "mpid" in answer)
    assert isinstance(mpid, str) and mpid
    event, user = sandboxed(reading)
    assert (event["event"], event["code"], user["ip"]) == ("PlaceAnOrder", 0, "203.0.113.7")


def test_copy_of_the_web_sdk_counts_once(tmp_path: Path, tiktok_log: Path) -> None:
    """Of two copies of a batch one event is sent, in the very words that the guide promises."""
    reading = followed("send-a-copy-from-the-web-sdk.md", tmp_path, tiktok_log)
    (event,) = arrived(reading.room / "arrived.jsonl")
    assert (event["event"], event["code"]) == ("PlaceAnOrder", 0)
    (promised,) = re.findall(r"`(\"duplicate\":1)`", (GUIDES / "send-a-copy-from-the-web-sdk.md").read_text())
    assert promised in reading.output.replace(" ", "")


def test_test_events_are_seen(tmp_path: Path, tiktok_log: Path) -> None:
    """`map`, the sandbox and a test event code each show the same event, and only the last one meets TikTok."""
    reading = followed("test-events.md", tmp_path, tiktok_log)
    assert '"field":"event"' in reading.output and '"payload":' in reading.output
    from_check, event = arrived(tiktok_log)
    assert from_check["event"] == "ViewContent"
    assert (event["event"], event["event_id"], event["code"]) == ("AddToCart", "cart-1", 0)


def test_a_purchase_has_the_pixels_name_and_id(tmp_path: Path, tiktok_log: Path) -> None:
    """The guide's settings and batch make the very words that the guide promises."""
    reading = followed("purchase-events-and-your-pixel.md", tmp_path, tiktok_log)
    promised = re.findall(r"`(\"event\":[^`]+)`", (GUIDES / "purchase-events-and-your-pixel.md").read_text())
    assert len(promised) == 1 and promised[0] in reading.output


def test_events_that_are_not_chosen_are_dropped_with_their_reason(tmp_path: Path, tiktok_log: Path) -> None:
    """The guide's four events have the outcomes, and the very words, that the guide promises."""
    reading = followed("choose-what-is-forwarded.md", tmp_path, tiktok_log)
    outcomes = [json.loads(line) for line in reading.output.splitlines()]
    reasons = [outcome.get("reason") for outcome in outcomes]
    assert reasons == [None, "event_not_selected", "filtered_by_rule", "filtered_by_rule"]
    page = " ".join((GUIDES / "choose-what-is-forwarded.md").read_text().split())
    (promised,) = re.findall(r"`(\"event\":[^`]+)`", page)
    assert promised in reading.output
    assert [outcome["detail"] for outcome in outcomes[2:] if f"`{outcome['detail']}`" not in page] == []


def test_recorded_events_are_exported_and_none_is_sent(tmp_path: Path, tiktok_log: Path) -> None:
    """The guide's purchase is counted and exported, and TikTok gets nothing, also not after the switch."""
    reading = followed("record-before-you-switch.md", tmp_path, tiktok_log)
    assert [(each["accepted"], each["dropped"]) for each in statuses(reading)] == [(1, 1)]
    (line,) = (json.loads(each) for each in (reading.room / "recorded.jsonl").read_text().splitlines())
    assert (line["event"], line["event_id"]) == ("PlaceAnOrder", "order-1001")
    assert line["payload"]["properties"]["value"] == 50
    assert arrived(tiktok_log) == []


def test_kafka_input_is_added_and_exported(tmp_path: Path, tiktok_log: Path) -> None:
    """The file names a variable for the password, which the commands print nowhere."""
    reading = followed("kafka.md", tmp_path, tiktok_log)
    assert 'password = "env:EVENTS_KAFKA_PASSWORD"' in reading.output and "topics = [" in reading.output
    assert "the password of the user" not in reading.output


def test_collector_gets_metrics_and_traces(tmp_path: Path, tiktok_log: Path) -> None:
    """A service that stops before its first minute is over exports all the same."""
    reading = followed("opentelemetry.md", tmp_path, tiktok_log)
    assert "Received metrics." in reading.output and "Received traces." in reading.output


def test_mapping_is_tested(tmp_path: Path, tiktok_log: Path) -> None:
    """The guide's mistake fails with the very difference that the guide shows, and is repaired by its end."""
    reading = followed("test-your-mapping.md", tmp_path, tiktok_log)
    page = (GUIDES / "test-your-mapping.md").read_text()
    (promised,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    assert promised in reading.output and "exit status 1" in reading.output
    assert '"dropped": "missing_required_attribute"' in reading.output
    assert reading.output.splitlines()[-1] == "1 passed, 0 failed"
    assert 'failures="0"' in (reading.room / "results.xml").read_text()


def test_connections_follow_a_folder(tmp_path: Path, tiktok_log: Path) -> None:
    """The dry run and the first run show the same differences, the second run shows none."""
    reading = followed("keep-connections-in-version-control.md", tmp_path, tiktok_log)
    changes = [json.loads(line) for line in reading.output.splitlines() if line.startswith('{"name"')]
    expected = [("Outlet", "add"), ("Shop", "change")]
    nothing = [("Outlet", "none"), ("Shop", "none")]
    assert [(each["name"], each["change"]) for each in changes] == [*expected, *expected, *nothing]
    assert changes[1]["fields"] == [{"field": "max_event_age_days", "before": 28, "after": 7}]


def test_sandbox_accepts_the_script_of_its_page(tmp_path: Path) -> None:
    """The page's request has the header without which the sandbox answers 415."""
    start = (
        "tiktok-forwarder sandbox --port 8091 &\nsandbox=$!\n"
        "curl --silent --retry 20 --retry-delay 1 --retry-connrefused --output /dev/null http://127.0.0.1:8091/\n"
    )
    end = "curl --silent --fail http://127.0.0.1:8091/sandbox/script\nkill $sandbox\nwait $sandbox\n"
    page = blocks(GUIDES.parent / "sandbox.md")
    reading = run_blocks([start, *page, end], tmp_path, "", [Path(sys.executable).parent])
    assert reading.status == 0, reading.output
    (script,) = (json.loads(line) for line in reading.output.splitlines() if line.startswith('{"requests"'))
    assert [(each["code"], each["times"]) for each in script["requests"]] == [(50000, 3)]


def test_every_guide_is_tried() -> None:
    """No guide has commands that no test runs."""
    tests = (Path(__file__), Path(__file__).parents[1] / "deploy" / "test_container.py")
    tried = set(re.findall(r'follow(?:ed)?\("([\w-]+\.md)"', "".join(file.read_text() for file in tests)))
    # On a machine of its own, in tests/install/test_production_guide.py.
    tried.add("run-in-production.md")
    assert {each.name for each in GUIDES.glob("*.md") if blocks(each)} == tried


def test_live_table_keeps_no_pasted_command_from_running() -> None:
    """On a terminal `status` without `--once` does not end, and takes the rest of the pasted lines for its keys."""
    lines = [
        (page.name, line)
        for page in (README, *GUIDES.glob("*.md"))
        for block in blocks(page)
        for line in block.splitlines()[:-1]
    ]
    statuses = [(page, line) for page, line in lines if re.match(r"tiktok-forwarder status\b", line)]
    assert statuses
    assert [(page, line) for page, line in statuses if "--once" not in line] == []
