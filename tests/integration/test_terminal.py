"""What a person sees: tables on a real terminal of any width, and nothing that the terminal would obey."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_process import add_shop, command
from tests.integration.service_rig import fresh_batch
from tests.integration.terminal import Shown, on_terminal

pytestmark = pytest.mark.slow

CONNECTION = """
name = "Shop"
pixel_id = "PIX1"
[[custom_mappings]]
event = "Search"
event_type = "custom_event"
event_name = "Site Search"
properties = { query = { attribute = "term" } }
[[forwarding_rules]]
name = "staff"
action = "do_not_forward"
when = [ { user_attribute = "role", is = ["staff"] } ]
"""
COLORS = re.compile(r"\x1b\[[0-9;]*m")


def custom_event(name: str, **attributes: object) -> dict[str, Any]:
    batch = fresh_batch("m1")
    data = batch["events"][0]["data"]
    kept = {key: data[key] for key in ("timestamp_unixtime_ms", "source_message_id", "custom_flags") if key in data}
    batch["events"] = [
        {"event_type": "custom_event", "data": {**kept, "event_name": name, "custom_attributes": attributes}}
    ]
    return batch


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "shop.toml").write_text(CONNECTION)
    return tmp_path


def mapped(folder: Path, batch: object, *options: str, columns: int = 120, no_color: str = "1") -> Shown:
    (folder / "batch.json").write_text(json.dumps(batch))
    arguments = ("map", "--connection", "shop.toml", *options, "batch.json")
    return on_terminal(*arguments, columns=columns, cwd=folder, NO_COLOR=no_color)


@pytest.mark.parametrize("columns", [120, 80, 60])
def test_explained_event_is_readable_at_any_width(folder: Path, columns: int) -> None:
    """What became of it, then each field with value, source and transformation, and the rules; no line is too long."""
    shown = mapped(folder, fresh_batch("m1"), "--explain", columns=columns)
    assert shown.status == 0
    for text in ("sent as PlaceAnOrder, event ID m1", "data.source_message_id", "SHA-256"):
        assert text in shown
    if columns >= 120:
        assert "device_info.http_header_user_agent" in shown
    assert "Rule “staff” (Do Not Forward) did not hold" in shown
    assert "✗ the user attribute role is staff; found: nothing" in shown
    assert max(len(COLORS.sub("", line)) for line in shown.lines) <= columns


@pytest.mark.parametrize("columns", [120, 60])
def test_explained_drop_has_its_remedy(folder: Path, columns: int) -> None:
    """The advice is the console's."""
    shown = mapped(folder, custom_event("Unknown"), "--explain", columns=columns)
    assert "dropped, unsupported_event" in shown
    assert "How to fix it: Add a custom mapping to send it to TikTok. (setting custom_mappings)" in shown


def test_map_shows_a_short_table(folder: Path) -> None:
    """Without `--explain`, an event is a row, and its warnings or the reason of its drop are in it."""
    batch = {**fresh_batch("m1"), "ip": "10.0.0.7"}
    shown = mapped(folder, {**batch, "events": [*batch["events"], *custom_event("Unknown")["events"]]})
    assert [line.split()[:2] for line in shown.lines[1:3]] == [["events[0]", "PlaceAnOrder"], ["events[1]", "dropped"]]
    assert "private_ip" in shown and "1 sent, 1 dropped" in shown


@pytest.mark.parametrize("options", [(), ("--explain",), ("--json",)], ids=["table", "explained", "JSON"])
def test_values_cannot_command_the_terminal(folder: Path, options: tuple[str, ...]) -> None:
    """Escape sequences, C1 controls and invisible direction marks of an event are shown, and not sent."""
    wild = "red\x1b[2J\x1b]0;title\x07 \x9b31m \u202eshirt [bold]"
    batch = custom_event("Site Search", term=wild)
    batch["events"][0]["data"]["source_message_id"] = wild
    shown = mapped(folder, batch, *options)
    assert shown.status == 0
    rest = COLORS.sub("", shown.sent)
    assert not re.search(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", rest)
    assert "\u202e" not in rest or options == ("--json",)
    assert "[bold]" in rest


def test_colors_follow_no_color(folder: Path) -> None:
    """With NO_COLOR there is no color, without it there is."""
    color = re.compile(r"\x1b\[[0-9;]*3[0-9]")
    assert not color.search(mapped(folder, fresh_batch("m1"), "--explain").sent)
    assert color.search(mapped(folder, fresh_batch("m1"), "--explain", no_color="").sent)


def test_json_is_printed_on_a_terminal_when_asked_for(folder: Path) -> None:
    """`--json` gives the lines of a pipe."""
    shown = mapped(folder, fresh_batch("m1"), "--json")
    (line,) = shown.lines
    assert json.loads(line)["event"] == "PlaceAnOrder"


LISTS = {
    "connections list": ["Shop", "PIXELSHOP", "enabled", "all"],
    "connections history Shop": ["command line", "added"],
    "connections show Shop": ["purchase_event", "PlaceAnOrder"],
    "inputs list": ["shop", "key-of-the-shop", "/webhook/shop", "active"],
    "users list": ["No users yet."],
    "api-keys list": ["No API keys yet."],
    "notices list": ["No recipients yet."],
    "notices incidents": ["No open incidents."],
    "notices recent": ["No notices in the last 24 hours."],
    "dead-letters list": ["No dead letters."],
    "audit": ["The audit log is empty."],
    "status --once": ["Shop", "not running", "dead letters"],
    "settings": ["max_store_bytes", "TIKTOK_FORWARDER_MAX_STORE_BYTES"],
}


@pytest.mark.timeout(180)
@pytest.mark.parametrize("columns", [120, 60])
def test_every_list_is_a_table(tmp_path: Path, columns: int) -> None:
    """Tables, or blocks where a terminal is narrow, and a sentence for an empty list: never JSON."""
    add_shop(tmp_path / "data")
    for arguments, texts in LISTS.items():
        shown = on_terminal(*arguments.split(), "--data-dir", tmp_path / "data", columns=columns)
        assert shown.status == 0, shown.sent
        assert [text for text in texts if text not in shown] == []
        assert not shown.sent.startswith(("{", "["))
        if arguments != "settings":
            assert max(len(COLORS.sub("", line)) for line in shown.lines) <= columns


def test_pipe_gets_json_lines(tmp_path: Path) -> None:
    """The same commands in a pipe print what programs read."""
    add_shop(tmp_path / "data")
    done = command("connections", "list", "--data-dir", str(tmp_path / "data"))
    assert json.loads(done.stdout)["name"] == "Shop"
