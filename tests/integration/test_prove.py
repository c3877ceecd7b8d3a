"""`connections prove` against real sandboxes: one in TikTok's place, one that the command compares with."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.service_process import SandboxThread, command
from tests.unit.cli.running import Run
from tiktok_forwarder.evidence.transcript import Transcript, read_transcript
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS
from tiktok_sandbox.steps import Code

TOKEN = "token-of-the-shop-0123"
SHOP = 'name = "Shop"\npixel_id = "PIX1"\naccess_token = "env:SHOP_TOKEN"\n'
PLAIN = ("connections", "prove", "Shop", "--pause-seconds", "0")

pytestmark = pytest.mark.slow


@pytest.fixture
def tiktok(monkeypatch: pytest.MonkeyPatch) -> Iterator[SandboxThread]:
    with SandboxThread(grants={TOKEN: ["PIX1"]}) as thread:
        monkeypatch.setenv("TIKTOK_FORWARDER_TIKTOK_BASE_URL", thread.url)
        yield thread


@pytest.fixture
def data_dir(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data directory with the connection Shop."""
    monkeypatch.setenv("SHOP_TOKEN", TOKEN)
    file = tmp_path / "shop.toml"
    file.write_text(SHOP)
    status, _, err = run("connections", "add", file, "--data-dir", tmp_path / "data")
    assert status == 0, err
    return tmp_path / "data"


def transcript_in(text: str) -> Transcript:
    """The transcript, which must be free of what is secret."""
    assert not any(secret in text for secret in (TOKEN, "PIX1", "TEST1"))
    return read_transcript(text)


@pytest.mark.parametrize("version", list(WIRE_FORMS))
def test_same_answers_are_no_finding(run: Run, data_dir: Path, tiktok: SandboxThread, version: str) -> None:
    """Both sandboxes get the same requests, and every one of them has the test event code."""
    arguments = (*PLAIN, "--test-event-code", "TEST1", "--events-api", version, "--data-dir", data_dir)
    status, out, err = run(*arguments)
    transcript = transcript_in(out)
    assert status == 0, err
    assert (transcript.answered_by, transcript.events_api, transcript.differing) == ("other", version, [])
    assert {entry.answer.code for entry in transcript.trials} == {0, 40001, 40002, 40062, 40104, 40105}
    received = tiktok.ask(lambda sandbox: sandbox.requests())
    assert len(received) == len(transcript.trials) and {each.test_event_code for each in received} == {"TEST1"}
    assert "0 answered differently than by the sandbox" in err and TOKEN not in err


def test_different_answers_are_the_finding(run: Run, data_dir: Path, tiktok: SandboxThread, tmp_path: Path) -> None:
    """A fault is not tried again, and what TikTok repeats of the request is not kept."""
    surprise = Code(code=50002, message=f"{{pixel}} {TOKEN} TEST1", status=503)
    tiktok.ask(lambda sandbox: sandbox.script.for_requests(surprise))
    file = tmp_path / "transcript.json"
    arguments = (*PLAIN, "--test-event-code", "TEST1", "--data-dir", data_dir, "--output", file)
    status, out, err = run(*arguments)
    assert (status, out) == (1, "")
    (found,) = transcript_in(file.read_text()).differing
    assert (found.name, found.differences) == ("view", ["status", "code", "message"])
    assert found.answer.message == "PIXEL_ID ACCESS_TOKEN TEST_EVENT_CODE"
    assert "view: code 50002, the sandbox 0; different: status, code, message" in err


def test_nothing_is_sent_without_a_test_event_code(run: Run, data_dir: Path, tiktok: SandboxThread) -> None:
    """Otherwise TikTok would count invented events."""
    status, _, err = run(*PLAIN, "--data-dir", data_dir)
    assert status == 2 and "Shop: has no test event code; pass --test-event-code" in err
    assert tiktok.ask(lambda sandbox: sandbox.requests()) == []


def test_another_machine_is_asked_only_after_a_yes(data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command asks before it sends anything to a host that is not this machine; a program has to pass --yes."""
    tiktok = "https://tiktok.example.com"
    arguments = (*PLAIN, "--test-event-code", "TEST1", "--data-dir", str(data_dir))
    done = command(*arguments, TIKTOK_FORWARDER_TIKTOK_BASE_URL=tiktok)
    assert done.returncode == 2 and done.stdout == ""
    assert "Send 33 requests of Shop to tiktok.example.com, under a test event code? Pass --yes" in done.stderr


def test_run_ends_when_the_host_does_not_answer(run: Run, data_dir: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run is bounded: after three requests without an answer the others are listed as unsent."""
    monkeypatch.setenv("TIKTOK_FORWARDER_TIKTOK_BASE_URL", "http://127.0.0.1:9")
    status, out, err = run(*PLAIN, "--test-event-code", "TEST1", "--data-dir", data_dir)
    transcript = transcript_in(out)
    assert status == 1 and [entry.answer.no_answer for entry in transcript.trials] == ["connect"] * 3
    assert len(transcript.unsent) == 30 and "30 not sent since the host does not answer" in err


def test_connection_without_a_token_is_refused(run: Run, data_dir: Path, tiktok: SandboxThread, tmp_path: Path) -> None:
    """One that only records may have none; an empty one would be evidence of nothing."""
    file = tmp_path / "recording.toml"
    file.write_text('name = "Recording"\npixel_id = "PIX1"\ndelivery = "record"\n')
    assert run("connections", "add", file, "--data-dir", data_dir)[0] == 0
    status, _, err = run("connections", "prove", "Recording", "--test-event-code", "TEST1", "--data-dir", data_dir)
    assert status == 2 and "access_token: is required to send trials" in err
    assert tiktok.ask(lambda sandbox: sandbox.requests()) == []
