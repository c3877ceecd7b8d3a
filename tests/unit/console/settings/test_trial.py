"""A trial of settings that are not saved yet, over previews that the test answers."""

from typing import Any, cast

import pytest

from tiktok_forwarder.api.previews import LIST_DEVELOPMENT_EVENTS, DevelopmentView, PreviewBody, PreviewView
from tiktok_forwarder.console.api import Api, ApiError
from tiktok_forwarder.console.settings.rule_words import TriedCondition, TriedRule
from tiktok_forwarder.console.settings.trial import Tried, run_trial
from tiktok_forwarder.mapping.explanation.rule_results import ConditionResult, RuleResult
from tiktok_forwarder.operations.previews import KeptOutcome, PreviewedOutcome

KEPT = KeptOutcome(17, "commerce_event", "", {"events": [1]}, [])
RULE = RuleResult(
    "no staff",
    "do_not_forward",
    False,
    (
        ConditionResult("user_attribute", "role", "is", ("staff",), ("guest", "x"), False),
        ConditionResult("identity", "email", "exists", True, ("email",), True),
        ConditionResult("page_host", "", "is_not", ("a",), (), True),
    ),
)


class Previews:
    """Stands for the API: keeps what is to be previewed and answers with what the test gives."""

    def __init__(self, *outcomes: PreviewedOutcome, error: ApiError | None = None) -> None:
        self.asked: list[PreviewBody] = []
        self._outcomes = list(outcomes)
        self._error = error

    async def call(self, endpoint: Any, *_path: str, query: Any = None, body: Any = None) -> Any:
        if endpoint is LIST_DEVELOPMENT_EVENTS:
            assert query.connection == "cn_1"
            return DevelopmentView(5, [KEPT])
        self.asked.append(body)
        if self._error is not None:
            raise self._error
        return PreviewView(self._outcomes)


async def tried(
    previews: Previews, settings: Any, *, connection: str | None = None, chosen: str = "", text: str = ""
) -> Any:
    return await run_trial(cast(Api, previews), settings, connection, chosen, text)


async def test_outcomes_and_rules_are_told_in_words() -> None:
    """An identity shows that it is there, and nothing else of it."""
    mapped = PreviewedOutcome(0, 0, "mapped", "Purchase", rules=[RULE])
    dropped = PreviewedOutcome(0, 1, "dropped", reason="missing_page_url", detail="There is none.")
    trial = await tried(Previews(mapped, dropped), {})
    conditions = [
        TriedCondition("the user attribute role is staff", "guest, x", False),
        TriedCondition("there is an email address", "one", True),
        TriedCondition("the page host is not a", "nothing", True),
    ]
    assert trial.outcomes == [
        Tried("Purchase", True, "", [TriedRule("no staff", "Do Not Forward", False, conditions)]),
        Tried("Missing page URL", False, "There is none.", []),
    ]
    assert (trial.hint, trial.problems) == ("", ())


async def test_the_pasted_batch_stands_before_the_generated_one() -> None:
    """Blank text is none; a kept event stands before both, at the time at which it was received."""
    previews = Previews()
    options = (await tried(previews, {}, connection="cn_1", text=" ")).options
    await tried(previews, {}, text="{}")
    chosen = await tried(previews, {}, connection="cn_1", chosen=options[1].value, text="{}")
    unknown = await tried(previews, {}, connection="cn_1", chosen="gone", text="{}")
    batches = [each.batches for each in previews.asked]
    assert batches[0]["events"][0]["data"]["product_action"]["action"] == "purchase"
    assert batches[1:] == ["{}", KEPT.batch, "{}"]
    assert [each.received_at_ms for each in previews.asked] == [None, None, 17, None]
    assert options[1].label == "Development event: commerce event without a name"
    assert (chosen.chosen, unknown.chosen, chosen.pasted) == (options[1].value, "", "{}")
    assert unknown.hint == "This batch has no events."


@pytest.mark.parametrize(("purposes", "names"), [(None, []), ("Ads", ["Ads"]), (["Ads", "More"], ["Ads", "More"])])
async def test_the_generated_purchase_suits_the_settings(purposes: Any, names: list[str]) -> None:
    """Its user has given every consent that is required, and its environment is one that is forwarded."""
    previews = Previews()
    await tried(previews, {"consent_purpose": purposes, "environment": "production"})
    await tried(previews, {"environment": "all"})
    first, second = [each.batches for each in previews.asked]
    assert first["consent_state"]["gdpr"] == {name: {"consented": True} for name in names}
    assert (first["environment"], second["environment"]) == ("production", "development")


async def test_the_token_is_not_part_of_a_trial() -> None:
    """A new connection may lack settings; null restores a default of one that is there."""
    previews = Previews()
    settings = {"name": None, "access_token": "word", "bots": "drop"}
    await tried(previews, settings)
    await tried(previews, settings, connection="cn_1")
    assert [each.settings for each in previews.asked] == [{"bots": "drop"}, {"name": None, "bots": "drop"}]


@pytest.mark.parametrize(
    ("error", "hint", "problems"),
    [
        (ApiError(422, ["bots: is odd"]), "Fix the settings to try them:", ["bots: is odd"]),
        (ApiError(400, ["the body is empty"]), "This batch cannot be read: the body is empty.", ()),
    ],
)
async def test_what_cannot_be_tried_says_why(error: ApiError, hint: str, problems: Any) -> None:
    """Wrong settings are listed, an unreadable batch is one line."""
    trial = await tried(Previews(error=error), {})
    assert (trial.hint, trial.problems, trial.outcomes) == (hint, problems, ())
