"""`connections prove`: sends trials to TikTok, and writes how its answers differ from the sandbox's."""

import secrets
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import quote, urlencode

import click

from tiktok_forwarder import __version__
from tiktok_forwarder.cli.api_client import ApiSession, read_as
from tiktok_forwarder.cli.changes import confirm
from tiktok_forwarder.cli.completing import connection_names
from tiktok_forwarder.cli.evidence.sandbox_answers import answer_of_sandbox, running_sandbox
from tiktok_forwarder.cli.options import config_options, output_option
from tiktok_forwarder.cli.output import print_message, write_text
from tiktok_forwarder.domain.errors import ConfigurationError
from tiktok_forwarder.evidence.prover import TrialPlan, TrialResult, TrialSummary
from tiktok_forwarder.evidence.transcript import (
    TIKTOK_HOST,
    Transcript,
    TrialEntry,
    differences_between,
    shortened,
    written_transcript,
)
from tiktok_forwarder.settings import Settings
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

# A host that does not answer is not asked for all the rest.
_MAX_UNANSWERED: Final = 3


class _Target(NamedTuple):
    """What each trial of a run is sent with."""

    path: str
    run_id: str
    events_api: str
    test_event_code: str


@click.command()
@config_options
@click.argument("name", shell_complete=connection_names)
@click.option("--test-event-code", default="", help="From Events Manager, Test Events; default: the connection's.")
@click.option(
    "--events-api",
    type=click.Choice(list(WIRE_FORMS)),
    help="Version of TikTok's Events API; default: the connection's.",
)
@click.option(
    "--pause-seconds",
    type=click.FloatRange(0, 60),
    default=1.0,
    show_default=True,
    help="Pause between two requests.",
)
@click.option("--yes", is_flag=True, help="Do not ask for confirmation.")
@output_option
def prove(
    settings: Settings,
    name: str,
    test_event_code: str,
    events_api: str | None,
    pause_seconds: float,
    yes: bool,
    output: Path | None,
) -> None:
    """Send connection NAME's pixel test events and deliberate faults; compare TikTok's answers with the sandbox's.

    All are sent under a test event code, each once, and have invented data only. The transcript (JSON) has no access
    token, Pixel ID, test event code or ID of TikTok's. Exit status 1 if answers differ.
    """
    path = f"/api/connections/{quote(name, safe='')}"
    with ApiSession(settings) as session:
        shown = session.ask("GET", path)
        if not test_event_code and not shown["settings"].get("test_event_code"):
            raise ConfigurationError(
                [f"{name}: has no test event code; pass --test-event-code, so that no event counts as real"]
            )
        query = urlencode({"events_api": events_api or ""})
        plan = read_as(TrialPlan, session.ask("GET", f"{path}/trials?{query}"))
        _confirm(plan, name, yes=yes)
        target = _Target(f"{path}/trials/", secrets.token_hex(4), plan.events_api, test_event_code)
        with running_sandbox() as sandbox_url:
            entries = list(_entries(session, sandbox_url, target, plan.trials, pause_seconds))
    transcript = Transcript(
        answered_by="tiktok" if plan.host == TIKTOK_HOST else "other",
        date=datetime.now(UTC).date().isoformat(),
        program_version=__version__,
        events_api=plan.events_api,
        trials=entries,
        unsent=[trial.name for trial in plan.trials[len(entries) :]],
    )
    write_text(written_transcript(transcript), output)
    _report(transcript)


def _confirm(plan: TrialPlan, name: str, *, yes: bool) -> None:
    if yes or _is_of_this_machine(plan.host):
        return
    question = f"Send {len(plan.trials)} requests of {name} to {plan.host}, under a test event code?"
    if not sys.stdin.isatty():
        raise click.UsageError(f"{question} Pass --yes to confirm")
    confirm(question, "nothing was sent")


def _is_of_this_machine(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _entries(
    session: ApiSession, sandbox_url: str, target: _Target, trials: list[TrialSummary], pause_seconds: float
) -> Iterator[TrialEntry]:
    """Send the trials in turn, until a host has not answered several in a row."""
    unanswered = 0
    for number, trial in enumerate(trials):
        if number:
            time.sleep(pause_seconds)
        entry = _entry(session, sandbox_url, target, trial)
        print_message(f"{trial.name}: {_summary(entry)}")
        yield entry
        unanswered = unanswered + 1 if entry.answer.no_answer else 0
        if unanswered == _MAX_UNANSWERED:
            return


def _entry(session: ApiSession, sandbox_url: str, target: _Target, trial: TrialSummary) -> TrialEntry:
    body = {
        "run_id": target.run_id,
        "events_api": target.events_api,
        "test_event_code": target.test_event_code,
    }
    result = read_as(TrialResult, session.ask("POST", target.path + trial.name, body))
    request, answer = result.request, result.answer
    expected = answer_of_sandbox(sandbox_url, request)
    kept = type(request)(request.path, request.token, shortened(request.body))
    return TrialEntry(trial.name, trial.about, kept, answer, expected, differences_between(answer, expected))


def _summary(entry: TrialEntry) -> str:
    answer = f"no answer ({entry.answer.no_answer})" if entry.answer.no_answer else f"code {entry.answer.code}"
    if not entry.differences:
        return f"{answer}, as the sandbox"
    expected = entry.sandbox_answer.code
    return f"{answer}, the sandbox {expected}; different: {', '.join(entry.differences)}"


def _report(transcript: Transcript) -> None:
    """Print the result. Raises `SystemExit` with status 1 if there is something to report."""
    different, unsent = len(transcript.differing), len(transcript.unsent)
    result = f"{len(transcript.trials)} trials, {different} answered differently than by the sandbox"
    print_message(f"{result}, {unsent} not sent since the host does not answer" if unsent else result)
    if different or unsent:
        raise SystemExit(1)
