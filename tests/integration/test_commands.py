"""The commands that change and look at a service's state, against the real API in-process, and the real sandbox."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_process import SandboxThread
from tests.integration.service_rig import fresh_batch
from tests.unit.cli.running import Run
from tiktok_sandbox import Sandbox

TOKEN = "token-of-the-shop-0123"
SHOP = 'name = "Shop"\npixel_id = "PIX1"\naccess_token = "env:SHOP_ACCESS_TOKEN"\n'


class Commands:
    """The command line on one data directory."""

    def __init__(self, run: Run, folder: Path) -> None:
        self._run = run
        self.folder = folder
        self.data_dir = folder / "data"

    def __call__(self, *arguments: object, expect: int = 0) -> tuple[list[Any], str]:
        """What was printed, decoded line by line, and what was told. Fails for another exit status."""
        status, out, err = self._run(*arguments, "--data-dir", self.data_dir)
        assert status == expect, err
        assert TOKEN not in out + err
        return [json.loads(line) for line in out.splitlines()], err

    def text(self, *arguments: object) -> Any:
        """What was printed over several lines, decoded."""
        status, out, err = self._run(*arguments, "--data-dir", self.data_dir)
        assert status == 0, err
        return json.loads(out)

    def file(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path


@pytest.fixture
def commands(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Commands:
    monkeypatch.setenv("SHOP_ACCESS_TOKEN", TOKEN)
    return Commands(run, tmp_path)


@pytest.fixture
def sandbox(monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    with SandboxThread(grants={TOKEN: ["PIX1"]}) as thread:
        monkeypatch.setenv("TIKTOK_FORWARDER_TIKTOK_BASE_URL", thread.url)
        yield thread.sandbox


def test_connection_is_changed_and_its_history_kept(commands: Commands) -> None:
    """Values are TOML or text; a key without a value goes back to its default; who and when stand in the history."""
    commands("connections", "add", commands.file("shop.toml", SHOP))
    ((changed,), _) = commands(
        "connections", "set", "shop", "max_event_age_days=7", "purchase_event=CompletePayment", "enabled=false"
    )
    assert (changed["revision"], changed["max_event_age_days"], changed["enabled"]) == (2, 7, False)
    ((changed,), _) = commands("connections", "set", "Shop", "max_event_age_days=", "access_token=another-token")
    assert (changed["max_event_age_days"], changed["purchase_event"]) == (28, "CompletePayment")
    history, _ = commands("connections", "history", "Shop")
    assert [each["changed_by"] for each in history] == ["command line"] * 3
    assert [each["field"] for each in history[2]["fields"]] == ["max_event_age_days", "access_token"]
    assert "another-token" not in json.dumps(history)


@pytest.mark.usefixtures("sandbox")
def test_token_of_a_change_is_read_from_the_environment(commands: Commands) -> None:
    """As in a file, so that no token need be typed; a variable that is not set changes nothing."""
    commands("connections", "add", commands.file("shop.toml", SHOP))
    commands("connections", "set", "Shop", "access_token=wrong-token")
    _, told = commands("connections", "set", "Shop", "access_token=env:NOT_SET", "enabled=false", expect=2)
    assert told == "tiktok-forwarder: access_token: the environment variable NOT_SET is not set\n"
    commands("connections", "set", "Shop", "access_token=env:SHOP_ACCESS_TOKEN")
    (result,), _ = commands("connections", "check", "Shop")
    assert result["kind"] == "good"
    ((shown,), _) = commands("connections", "list")
    assert (shown["revision"], shown["enabled"]) == (3, True)


def test_wrong_change_names_every_problem_and_changes_nothing(commands: Commands) -> None:
    """One line each, with the key, its value and what is allowed."""
    commands("connections", "add", commands.file("shop.toml", SHOP))
    _, told = commands("connections", "set", "Shop", "content_type=shoe", "colour=red", "pixel_id=", expect=2)
    assert "content_type: must be one of product, product_group, not 'shoe'" in told
    assert "colour: is not a known key" in told
    assert "pixel_id: is required" in told
    ((shown,), _) = commands("connections", "list")
    assert shown["revision"] == 1
    _, told = commands("connections", "set", "Other", "enabled=false", expect=2)
    assert told == 'tiktok-forwarder: connection "Other" not found\n'
    _, told = commands("connections", "set", "shpo", "enabled=false", expect=2)
    assert told == 'tiktok-forwarder: connection "shpo" not found; did you mean "Shop"?\n'


@pytest.mark.parametrize("version", ["2.0", "1.0"])
def test_check_tells_token_pixel_and_network_apart(
    commands: Commands, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    """Each in a sentence of its own; a good connection in another, with and without a test event."""
    commands("connections", "add", commands.file("shop.toml", f'{SHOP}events_api = "{version}"\n'))
    (result,), good = commands("connections", "check", "Shop")
    assert (result["kind"], "No event was sent" in good) == ("good", True)
    commands("connections", "set", "Shop", "test_event_code=TEST1")
    (result,), tested = commands("connections", "check", "Shop")
    assert (result["kind"], "ViewContent" in tested) == ("good", True)
    commands("connections", "set", "Shop", "test_event_code=", "pixel_id=PIX2")
    (result,), pixel = commands("connections", "check", "Shop", expect=1)
    assert result["kind"] == "pixel"
    commands("connections", "set", "Shop", "access_token=wrong-token")
    (result,), token = commands("connections", "check", "Shop", expect=1)
    assert result["kind"] == "token"
    monkeypatch.setenv("TIKTOK_FORWARDER_TIKTOK_BASE_URL", "http://127.0.0.1:9")
    (result,), network = commands("connections", "check", "Shop", expect=1)
    assert (result["kind"], result["code"]) == ("network", None)
    assert len({good, tested, pixel, token, network}) == 5
    assert sandbox.counts().delivered == 1


def test_exported_connections_import_elsewhere_as_they_were(
    run: Run, commands: Commands, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Every setting and mapping; the token from the environment; a second import finds nothing to change."""
    mapping = (
        '{event="Search", event_type="custom_event", event_name="Site Search", properties={query={attribute="term"}}}'
    )
    commands("connections", "add", commands.file("shop.toml", f"{SHOP}custom_mappings = [{mapping}]\n"))
    file = tmp_path / "all.toml"
    _, told = commands("connections", "export", "--output", file)
    assert "SHOP_ACCESS_TOKEN" in told
    elsewhere = Commands(run, tmp_path / "elsewhere")
    elsewhere.folder.mkdir()
    elsewhere("inputs", "add", "--name", "web")
    (difference,), _ = elsewhere("connections", "import", file, "--dry-run")
    assert difference["change"] == "add"
    assert elsewhere("connections", "list")[0] == []
    elsewhere("connections", "import", file, "--yes")
    (here,), (there,) = commands("connections", "list")[0], elsewhere("connections", "list")[0]
    assert {**here, "id": ""} == {**there, "id": ""}
    monkeypatch.delenv("SHOP_ACCESS_TOKEN")
    (difference,), _ = elsewhere("connections", "import", file)
    assert (difference["change"], difference["fields"]) == ("none", [])


def test_import_with_wrong_ones_among_ten_names_each_and_changes_nothing(commands: Commands) -> None:
    """Three of ten are wrong: all three are told, none of the ten is made."""
    wrong = {2: 'content_type = "shoe"', 5: 'inputs = ["nobody"]', 9: "max_event_age_days = 0"}
    tables = [
        f'[[connections]]\nname = "S{n}"\npixel_id = "P"\naccess_token = "env:SHOP_ACCESS_TOKEN"\n{wrong.get(n, "")}\n'
        for n in range(10)
    ]
    _, told = commands("connections", "import", commands.file("ten.toml", "".join(tables)), "--yes", expect=2)
    creation, *problems = told.splitlines()
    assert "created the data directory" in creation
    assert [problem.partition(": ")[2].partition(":")[0] for problem in problems] == [
        "connections[2] S2",
        "connections[5] S5",
        "connections[9] S9",
    ]
    assert commands("connections", "list")[0] == []


@pytest.mark.parametrize("command", [("add",), ("import", "--dry-run"), ("import", "--yes")])
def test_a_new_connection_reports_its_purchase_event(commands: Commands, command: tuple[str, ...]) -> None:
    """No purchase event is taken silently: which one, and that TikTok ends PlaceAnOrder."""
    commands("inputs", "add", "--name", "web")
    _, messages = commands("connections", *command, commands.file("shop.toml", SHOP))
    assert "Shop: purchases are sent as PlaceAnOrder: the site's pixel must fire the same event" in messages
    assert "Shop: TikTok supports PlaceAnOrder until 2027" in messages
    chosen = commands.file("other.toml", SHOP.replace("Shop", "Other") + 'purchase_event = "Purchase"\n')
    _, messages = commands("connections", *command, chosen)
    assert "Other: purchases are sent as Purchase: " in messages and "2027" not in messages


def test_a_changed_connection_reports_that_purchases_are_not_sent(commands: Commands) -> None:
    """A selection of standard events may leave purchases out by mistake."""
    commands("connections", "add", commands.file("shop.toml", SHOP))
    _, messages = commands("connections", "set", "Shop", 'standard_events=["view_detail"]')
    assert "Shop: purchases are not sent: standard_events does not include purchase" in messages
    assert "2027" not in messages


def test_import_asks_before_it_changes_anything(commands: Commands) -> None:
    """Without a terminal to ask on it wants --yes."""
    file = commands.file("shop.toml", SHOP)
    commands("inputs", "add", "--name", "web")
    _, told = commands("connections", "import", file, expect=2)
    assert "pass --yes to apply" in told
    assert commands("connections", "list")[0] == []


def test_removed_connection_leaves_its_events_as_dead_letters(commands: Commands) -> None:
    """They can be looked at and discarded by the id it had, but not replayed; the removal is asked for."""
    commands("inputs", "add", "--name", "web")
    (added,), _ = commands("connections", "add", commands.file("shop.toml", SHOP))
    commands("import", "--input", "web", commands.file("day.ndjson", json.dumps(fresh_batch("m1", "m2"))))
    _, told = commands("connections", "remove", "Shop", expect=2)
    assert "2 waiting events become dead letters" in told
    (removed,), _ = commands("connections", "remove", "Shop", "--yes")
    assert (removed["id"], removed["dead_lettered"]) == (added["id"], 2)
    letters, _ = commands("dead-letters", "list", "--reason", "connection_deleted")
    assert [each["event_id"] for each in letters] == ["m1", "m2"]
    shown_status, out, _ = commands._run(
        "dead-letters", "show", letters[0]["event_no"], "--data-dir", commands.data_dir
    )
    assert (shown_status, json.loads(out)["payload"]["event_id"]) == (0, "m1")
    (touched,), _ = commands("dead-letters", "discard", "--connection", added["id"], letters[0]["event_no"], "--yes")
    assert (touched["count"], touched["by_reason"]) == (1, {"connection_deleted": 1})
    (touched,), told = commands("dead-letters", "replay", "--until", "2100-01-01", "--dry-run")
    assert (touched["count"], touched["dry_run"]) == (1, True)
    assert "1 belong to deleted connections" in told
    assert commands("dead-letters", "replay", "--yes")[0][0]["count"] == 0
    (touched,), told = commands("dead-letters", "replay", "--from", "2100-01-01", "--yes")
    assert (touched["count"], told) == (0, "tiktok-forwarder: no dead letters match\n")
    _, told = commands("dead-letters", "discard", "--reason", "refusd", "--yes", expect=2)
    assert '"refusd" is not a reason of dead letters; did you mean "refused"? See' in told
    _, told = commands("dead-letters", "list", "--reason", "x", expect=2)
    assert "; reasons: refused, retries_exhausted, " in told


def test_input_secrets_rotate_with_both_valid_between(commands: Commands) -> None:
    """A second rotation waits for the first to be finished; a removed input is gone."""
    commands("inputs", "add", "--name", "web", "--secret", "first-secret")
    (rotated,), told = commands("inputs", "rotate", "web")
    assert rotated["secret"] != "first-secret"
    assert "both valid" in told
    assert commands("inputs", "list")[0][0]["rotating"] is True
    _, told = commands("inputs", "rotate", "web", expect=2)
    assert "finish the last rotation first" in told
    assert commands("inputs", "rotate", "web", "--finish")[0][0]["rotating"] is False
    commands("inputs", "remove", "web")
    assert commands("inputs", "list")[0] == []
    _, told = commands("inputs", "remove", "web", expect=2)
    assert told == 'tiktok-forwarder: input "web" not found\n'


def test_pause_holds_without_a_running_service(commands: Commands) -> None:
    """From the next start on; a resume ends it."""
    commands("connections", "add", commands.file("shop.toml", SHOP))
    (status,), _ = commands("connections", "pause", "Shop", "--reason", "stock-taking")
    assert (status["condition"], status["reason"]) == ("paused", "stock-taking")
    (status,), _ = commands("connections", "resume", "Shop")
    assert status["condition"] == "not_checked"


def test_check_without_a_running_service_is_kept(commands: Commands, sandbox: Sandbox) -> None:
    """The connection's state shows TikTok's answer from then on; adding it has asked TikTok nothing."""
    commands("connections", "add", commands.file("shop.toml", SHOP))
    assert sandbox.requests() == []
    commands("connections", "check", "Shop")
    (status,), _ = commands("connections", "resume", "Shop")
    assert (status["condition"], status["check"]) == ("live", "good")


def test_placeholder_is_refused_by_the_command_line(commands: Commands) -> None:
    """In one line that names file and setting, whether it is added, imported or set."""
    wrong = commands.file("shop.toml", SHOP.replace("PIX1", "YOUR PIXEL ID"))
    message = "pixel_id: must be the ID that TikTok Events Manager shows for your pixel, not 'YOUR PIXEL ID'"
    for command in ("add", "import"):
        printed, told = commands("connections", command, wrong, expect=2)
        assert printed == [] and told.count(message) == 1
    commands("connections", "add", commands.file("right.toml", SHOP))
    _, told = commands("connections", "set", "Shop", "access_token=YOUR_ACCESS_TOKEN", expect=2)
    assert "access_token: must be the token that TikTok Events Manager generated, not a placeholder" in told


def test_api_keys_are_shown_once(commands: Commands) -> None:
    """Listed without their secret, revoked by name."""
    (made,), _ = commands("api-keys", "make", "grafana", "--scope", "read")
    assert made["key"].startswith("tfk_")
    (listed,), _ = commands("api-keys", "list")
    assert (listed["name"], listed["scope"], "key" in listed) == ("grafana", "read", False)
    commands("api-keys", "revoke", "grafana")
    assert commands("api-keys", "list")[0] == []


@pytest.mark.parametrize("form", ["lines", "list", "indented", "gzip"])
def test_import_takes_files_of_every_form(commands: Commands, form: str) -> None:
    """One batch a line, a list, a list over several lines, compressed: a second time all are duplicates."""
    commands("inputs", "add", "--name", "web")
    commands("connections", "add", commands.file("shop.toml", SHOP))
    batches = [fresh_batch(f"m{n}", f"n{n}") for n in range(5)]
    lines = "\n".join(map(json.dumps, batches)) + "\n\n"
    texts = {"list": json.dumps(batches), "indented": json.dumps(batches, indent=1)}
    file = commands.file("day.json", texts.get(form, lines))
    if form == "gzip":
        file.write_bytes(gzip.compress(lines.encode()))
    (receipt,), _ = commands("import", "--input", "web", file)
    assert receipt == {"stored": 10, "duplicates": 0, "connection_full": 0, "recorded": 0, "dropped": 0}
    (receipt,), _ = commands("import", "--input", "web", file)
    assert receipt == {"stored": 0, "duplicates": 10, "connection_full": 0, "recorded": 0, "dropped": 0}


def test_import_names_lines_that_cannot_be_read_and_goes_on(commands: Commands) -> None:
    """Exit status 1, but everything else is in."""
    commands("inputs", "add", "--name", "web")
    commands("connections", "add", commands.file("shop.toml", SHOP))
    good = [json.dumps(fresh_batch(f"m{n}")) for n in range(3)]
    file = commands.file("day.ndjson", "\n".join([good[0], '{"events": [', good[1], "hello", good[2]]))
    (receipt,), told = commands("import", "--input", "web", file, expect=1)
    assert (receipt["stored"], receipt["unreadable_lines"]) == (3, 2)
    assert f"{file}, line 2: the body is not JSON" in told
    assert f"{file}, line 4: the body is not JSON" in told


@pytest.mark.parametrize("text", ["{}", " {}\n", "\n{\n}\n"])
def test_import_passes_over_the_check_of_a_bucket(commands: Commands, text: str) -> None:
    """A file that holds only {} is how mParticle checks that it may write to a bucket: nothing to import or to say."""
    commands("inputs", "add", "--name", "web")
    commands("connections", "add", commands.file("shop.toml", SHOP))
    receipts, told = commands("import", "--input", "web", commands.file("check.json", text))
    assert (receipts, told) == ([{}], "")
    ((status,), _) = commands("status")
    assert status["connections"][0]["totals"] == {"dropped": 0}


def test_import_names_lines_that_are_no_batch(commands: Commands) -> None:
    """They are told like lines that cannot be read, with what they look like."""
    commands("inputs", "add", "--name", "web")
    commands("connections", "add", commands.file("shop.toml", SHOP))
    file = commands.file("day.ndjson", json.dumps({"batch": fresh_batch("m1")}))
    (receipt,), told = commands("import", "--input", "web", file, expect=1)
    assert receipt == {"unreadable_lines": 1}
    assert f"{file}, line 1: This is not an mParticle batch: it is an envelope around a batch" in told


def test_import_into_a_full_connection_stops_and_continues_when_it_has_room(commands: Commands) -> None:
    """No batch is left out or called unreadable; what was imported before is not imported again."""
    small = commands.file("small.toml", f"max_store_bytes = {1024 * 1024}\n")
    commands("inputs", "add", "--name", "web")
    commands("connections", "add", commands.file("shop.toml", SHOP))
    batches = [fresh_batch(*[f"e{number}-{each}" for each in range(10)]) for number in range(100)]
    file = commands.file("day.ndjson", "\n".join(map(json.dumps, batches)))
    receipts, told = commands("import", "--config", small, "--input", "web", file, expect=2)
    assert receipts == [] and told.count("\n") == 1
    assert f"{file}: the storage quota of every connection that the request is for is used up" in told
    assert told.endswith("run the import again to continue it\n")
    ((before,), _) = commands("status")
    assert before["connections"][0]["totals"]["dropped"] == 0
    (receipt,), _ = commands("import", "--input", "web", file)
    ((after,), _) = commands("status")
    assert after["connections"][0]["totals"]["accepted"] == 1000
    assert receipt["stored"] == 1000 - before["connections"][0]["totals"].get("accepted", 0)


def test_import_into_an_unknown_input_says_so(commands: Commands) -> None:
    """Before anything is read."""
    commands("inputs", "add", "--name", "shop")
    file = commands.file("day.ndjson", json.dumps(fresh_batch("m1")))
    _, told = commands("import", "--input", "nobody", file, expect=2)
    assert told == 'tiktok-forwarder: input "nobody" not found\n'


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_name_the_program(run: Run, shell: str) -> None:
    """Ready to be evaluated by the shell."""
    status, out, _ = run("completion", shell)
    assert (status, "_TIKTOK_FORWARDER_COMPLETE" in out, "tiktok-forwarder" in out) == (0, True, True)


def test_status_says_that_no_service_runs(commands: Commands) -> None:
    """JSON where standard output is no terminal."""
    commands("connections", "add", commands.file("shop.toml", SHOP))
    ((status,), _) = commands("status")
    assert (status["running"], status["store_problems"]) == (False, [])
    assert status["connections"][0]["totals"] == {"dropped": 0}


@pytest.mark.parametrize("is_made", [False, True], ids=["no directory", "an empty directory"])
@pytest.mark.parametrize(
    "arguments",
    [
        ("status",),
        ("connections", "list"),
        ("connections", "export"),
        ("connections", "remove", "Shop", "--yes"),
        ("connections", "import", "FILE", "--dry-run"),
        ("connections", "import", "FILE"),
        ("connections", "set", "Shop", "enabled=false"),
        ("connections", "history", "Shop"),
        ("inputs", "import", "FILE", "--dry-run"),
        ("notices", "import", "FILE", "--dry-run"),
        ("notices", "list"),
        ("notices", "test", "ops"),
        ("inputs", "list"),
        ("dead-letters", "list"),
        ("erase", "--mpid", "1", "--yes"),
        ("audit",),
        ("keys", "rotate"),
        ("users", "list"),
        ("api-keys", "list"),
        ("console-link",),
        pytest.param(("backup", "FILE.copy"), marks=pytest.mark.sqlite_files("only an SQLite file is backed up here")),
        ("import", "--input", "shop", "FILE"),
    ],
    ids=" ".join,
)
def test_commands_that_only_look_create_nothing(
    arguments: tuple[str, ...], is_made: bool, run: Run, tmp_path: Path
) -> None:
    """A mistyped directory or database is reported, with status 2, and neither it nor anything in it appears."""
    (tmp_path / "file.toml").write_text(SHOP)
    data_dir = tmp_path / "data"
    if is_made:
        data_dir.mkdir()
    given = [each.replace("FILE", str(tmp_path / "file.toml")) for each in arguments]
    status, out, err = run(*given, "--data-dir", data_dir)
    assert (status, out) == (2, "")
    assert str(data_dir) in err or "the database is empty" in err
    assert sorted(each.name for each in tmp_path.rglob("*")) == [*["data"] * is_made, "file.toml"]


@pytest.mark.parametrize("kind", ["inputs", "connections add", "connections import", "api-keys"])
def test_commands_that_add_something_create_a_directory(kind: str, commands: Commands) -> None:
    """A service is often configured before its first start."""
    file = commands.file("shop.toml", SHOP)
    arguments = {
        "inputs": ("inputs", "add", "--name", "shop"),
        "connections add": ("connections", "add", file),
        "connections import": ("connections", "import", file, "--yes"),
        "api-keys": ("api-keys", "make", "ops"),
    }[kind]
    commands(*arguments)
    assert commands("status")[0][0]["running"] is False
