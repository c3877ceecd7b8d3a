"""Shows for people which forwarding rules held for an outgoing event, and what each of their conditions found."""

from typing import Final

from msgspec import Struct

from tiktok_forwarder.domain.outcome import Outcome
from tiktok_forwarder.mapping.conditions import Action, Condition, Outgoing, Rule, Subject, Test, holds, values_of
from tiktok_forwarder.mapping.event import Draft, Mapper
from tiktok_forwarder.mapping.ordinary import Texts
from tiktok_forwarder.mapping.shared import Refusal, Shared, Visit
from tiktok_forwarder.mapping.sources import Occurrence
from tiktok_forwarder.mparticle.batch import Batch
from tiktok_forwarder.mparticle.values import text_of


class ConditionResult(Struct, frozen=True):
    """A condition with the values that it found, one of each product if it looks at products, and whether it held."""

    subject: Subject
    name: str
    test: Test
    expected: tuple[str, ...] | bool | int | float
    found: tuple[str, ...]
    held: bool


class RuleResult(Struct, frozen=True):
    name: str
    action: Action
    held: bool
    conditions: tuple[ConditionResult, ...]


_MAX_SHOWN_CHARACTERS: Final = 200

Traced = tuple[Outcome, tuple[RuleResult, ...]]
"""An outcome with the results of the rules; none if an earlier check dropped the event."""


class TracingMapper(Mapper):
    """Maps as `Mapper` does, and notes the results of the forwarding rules. Slower: for previews."""

    def trace_batch(self, batch: Batch, received_at_ms: int, *, allows_purchases: bool = True) -> list[Traced]:
        """Return the outcomes of `map_batch`, each with the results of the rules for it."""
        # By identity: two outcomes may be equal.
        self._by_outcome: dict[int, tuple[RuleResult, ...]] = {}
        outcomes = self.map_batch(batch, received_at_ms, allows_purchases=allows_purchases)
        return [(outcome, self._by_outcome.get(id(outcome), ())) for outcome in outcomes]

    def _outgoing(
        self, shared: Shared, visit: Visit, index: int, occurrence: Occurrence, draft: Draft, texts: Texts | None
    ) -> Outcome:
        self._results: tuple[RuleResult, ...] = ()
        outcome = super()._outgoing(shared, visit, index, occurrence, draft, texts)
        self._by_outcome[id(outcome)] = self._results
        return outcome

    def _refused_by_rule(self, outgoing: Outgoing) -> Refusal | None:
        self._results = tuple(_rule_result(rule, outgoing) for rule in self._rules)
        return super()._refused_by_rule(outgoing)


def _rule_result(rule: Rule, outgoing: Outgoing) -> RuleResult:
    conditions = tuple(_condition_result(condition, outgoing) for condition in rule.when)
    return RuleResult(rule.name, rule.action, all(each.held for each in conditions), conditions)


def _condition_result(condition: Condition, outgoing: Outgoing) -> ConditionResult:
    texts = [text_of(value) for value in values_of(condition, outgoing)]
    found = tuple(text[:_MAX_SHOWN_CHARACTERS] for text in texts if text is not None)
    expected = condition.expected
    return ConditionResult(
        condition.subject, condition.name, condition.test, expected, found, holds(condition, outgoing)
    )
