"""The trials: what is sent in each version of the Events API."""

import json
from typing import Any

import pytest

from tiktok_forwarder.evidence.trials import Run, Trial, build_request, trials_of
from tiktok_forwarder.tiktok.wire_form import WireForm
from tiktok_forwarder.tiktok.wire_forms import WIRE_FORMS

RUN = Run("r1", "PIX1", "TEST1", 1_764_500_000_000)
ALL = [
    pytest.param(form, trial, id=f"{form.name}-{trial.name}")
    for form in WIRE_FORMS.values()
    for trial in trials_of(form).values()
]


def body_of(name: str, form: str = "2.0", run: Run = RUN) -> dict[str, Any]:
    trial = trials_of(WIRE_FORMS[form])[name]
    body: dict[str, Any] = json.loads(build_request(trial, WIRE_FORMS[form], run)[1])
    return body


@pytest.mark.parametrize(("form", "trial"), ALL)
def test_every_trial_is_a_test_event(form: WireForm, trial: Trial) -> None:
    """Without the code TikTok would count the events, invented as they are."""
    path, body = build_request(trial, form, RUN)
    assert json.loads(body)["test_event_code"] == "TEST1"
    assert path.startswith("/open_api/")


@pytest.mark.parametrize(("form", "trial"), ALL)
def test_every_fault_changes_the_request(form: WireForm, trial: Trial) -> None:
    """A trial whose change missed its field would be evidence of something else."""
    plain = Trial(name=trial.name, about="", events=trial.events, count=trial.count)
    changes = trial.change_event or trial.change_envelope or trial.age_ms or trial.repeats
    assert (build_request(trial, form, RUN) != build_request(plain, form, RUN)) == bool(changes)


def test_version_with_single_test_events_has_no_trials_of_lists() -> None:
    """Its batches take no test event code, so their events would count."""
    single = WIRE_FORMS["1.0"]
    assert single.max_test_events == 1
    assert {"group", "third-of-three", "too-many-events", "own-name"}.isdisjoint(trials_of(single))
    assert trials_of(single).keys() < trials_of(WIRE_FORMS["2.0"]).keys()


def test_repeat_has_the_event_id_of_what_it_repeats() -> None:
    """TikTok recognizes repeats by the event ID; another run's events are no repeats."""
    first, repeat = body_of("purchase")["data"][0], body_of("repeat")["data"][0]
    assert first == repeat
    assert body_of("purchase", run=RUN._replace(id="r2"))["data"][0]["event_id"] != first["event_id"]


def test_identities_are_invented_and_hashed() -> None:
    """No trial holds data of a person, and only the two faults are unhashed."""
    texts = {name: json.dumps(body_of(name)) for name in trials_of(WIRE_FORMS["2.0"])}
    assert [name for name, text in texts.items() if "@" in text] == ["unhashed-email"]
    assert [name for name, text in texts.items() if "415555" in text] == ["unhashed-phone"]
