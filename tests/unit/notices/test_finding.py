"""What is found as an incident, in the states of connections and store, and in the traffic."""

from collections.abc import Sequence
from typing import Any

from tests.unit.parts import Parts
from tiktok_forwarder.activity.figures import SERVICE, add_input_match_keys, add_match_keys, add_of_input
from tiktok_forwarder.activity.records import Figures, MinuteFigures
from tiktok_forwarder.delivery.interfaces import DeliveryStatus
from tiktok_forwarder.domain.outcome import DeadLetterReason
from tiktok_forwarder.notices.comparison import DAY_MS, HOUR_MS
from tiktok_forwarder.notices.finding import StateFinder, TrafficFinder
from tiktok_forwarder.notices.incidents import Finding, IncidentKey
from tiktok_forwarder.notices.traffic import TrafficHistory
from tiktok_forwarder.store.queue import Arrivals, NewEvent

NOW = 1_764_511_200_000
MINUTE_MS = 60_000


class Rig:
    def __init__(self) -> None:
        self.parts = Parts()
        self.parts.clock.time_ms = NOW
        self.statuses: dict[str, DeliveryStatus] = {}
        self.finder = StateFinder(self.parts.store, self.parts.connections, self._statuses, self.parts.clock)

    async def _statuses(self) -> dict[str, DeliveryStatus]:
        return self.statuses

    async def dead_letter(self, connection_id: str, reason: DeadLetterReason, event_id: str) -> None:
        event = NewEvent(connection_id, 1, "2.0", "Purchase", event_id, b"{}", ())
        await self.parts.store.append(Arrivals([event], {}, NOW))
        await self.parts.store.dead_letter_all(connection_id, reason, self.parts.clock.now_ms())


async def test_paused_and_refused_connections_are_found_with_code_and_cause() -> None:
    """Never with the reason's text, which may quote TikTok, or be a person's own words."""
    rig = Rig()
    ids = [await rig.parts.add_connection(name) for name in ("A", "B", "C", "D")]
    conditions: Sequence[Any] = ("paused", "refused", "throttled", "healthy")
    rig.statuses = {
        each: DeliveryStatus(each, condition, "quoted: ada@example.com", 40105, NOW, "service")
        for each, condition in zip(ids, conditions, strict=True)
    }
    findings = await rig.finder.connections()
    assert [(each.name, each.facts["condition"], each.facts["code"]) for each in findings.found] == [
        ("A", "paused", 40105),
        ("B", "refused", 40105),
    ]
    assert "ada" not in str(findings)


async def test_new_dead_letters_are_found_for_a_quarter_of_an_hour() -> None:
    """Old ones are no news; those of a connection that a person deleted are expected."""
    rig = Rig()
    shop, gone = [await rig.parts.add_connection(name) for name in ("Shop", "Gone")]
    assert (await rig.finder.dead_letters()).found == []
    await rig.dead_letter(shop, "refused", "e1")
    await rig.dead_letter(gone, "connection_deleted", "e2")
    (found,) = (await rig.finder.dead_letters()).found
    assert (found.name, found.facts) == ("Shop", {"dead_letters": 1, "reasons": {"refused": 1}})
    rig.parts.clock.time_ms += 16 * MINUTE_MS
    assert (await rig.finder.dead_letters()).found == []
    await rig.dead_letter(shop, "retries_exhausted", "e3")
    (found,) = (await rig.finder.dead_letters()).found
    assert found.facts["dead_letters"] == 2


async def test_test_event_code_is_found_after_a_day_whichever_it_is() -> None:
    """Another code instead does not begin a new day; a removed one does. Without deliveries a code does no harm."""
    rig = Rig()
    for name, settings in (("Shop", {}), ("Off", {"enabled": False}), ("Recording", {"delivery": "record"})):
        await rig.parts.add_connection(name, test_event_code="TEST1", **settings)

    async def change(code: str | None) -> None:
        await rig.parts.connections.set("Shop", {"test_event_code": code}, expected_revision=None, changed_by="test")

    rig.parts.shared._clock = rig.parts.clock
    rig.parts.clock.time_ms += DAY_MS - 1
    assert (await rig.finder.test_codes()).found == []
    await change("TEST2")
    rig.parts.clock.time_ms += 1
    (found,) = (await rig.finder.test_codes()).found
    assert (found.name, found.facts) == ("Shop", {"since": "2025-11-30 14:00 UTC"})
    await change(None)
    assert (await rig.finder.test_codes()).found == []
    await change("TEST3")
    assert (await rig.finder.test_codes()).found == []


async def test_problems_of_the_store_are_found_with_their_remedy() -> None:
    """A store that is being closed has none."""
    rig = Rig()

    async def problems() -> list[str]:
        return ["full", "closed", "newer"]

    rig.parts.store.problems = problems  # type: ignore[method-assign]
    findings = await rig.finder.store_problems()
    assert [each.subject for each in findings.found] == ["full", "newer"]
    assert "free space" in str(findings.found[0].facts["remedy"])


# --- traffic ---


class Activity:
    """The minutes that were asked for, of figures by (minute, connection ID)."""

    def __init__(self) -> None:
        self.minutes: dict[tuple[int, str], Figures] = {}
        self.asked: list[tuple[int, int]] = []

    async def figures(self, from_ms: int, until_ms: int) -> Sequence[MinuteFigures]:
        self.asked.append((from_ms, until_ms))
        return [
            MinuteFigures(minute, connection_id, figures)
            for (minute, connection_id), figures in sorted(self.minutes.items())
            if from_ms // MINUTE_MS <= minute < until_ms // MINUTE_MS
        ]

    def add(self, at_ms: int, connection_id: str, *, events: int, purchases: int, emails: int) -> None:
        """One minute in which input `shop` brought these events, of which so many had an email."""
        minute = at_ms // MINUTE_MS
        service = self.minutes.setdefault((minute, SERVICE), {})
        add_of_input(service, "received", "shop", events)
        figures = self.minutes.setdefault((minute, connection_id), {})
        add_of_input(figures, "purchases", "shop", purchases)
        for number in range(events):
            keys = ["email"] if number < emails else []
            add_match_keys(figures, keys)
            add_input_match_keys(figures, "shop", keys)


class TrafficRig:
    def __init__(self) -> None:
        self.parts = Parts()
        self.parts.clock.time_ms = NOW
        self.activity = Activity()
        self.finder = TrafficFinder(
            TrafficHistory(self.activity), self.parts.connections, self.parts.inputs, self.parts.clock, 0
        )
        self.connection_id = ""

    async def ordinary_week(self) -> "TrafficRig":
        self.connection_id = await self.parts.add_connection()
        await self.parts.add_input("shop")
        for hour in range((NOW - 8 * DAY_MS) // HOUR_MS, (NOW - HOUR_MS) // HOUR_MS):
            self.activity.add(hour * HOUR_MS, self.connection_id, events=250, purchases=30, emails=200)
        return self

    def last_hour(self, **counts: int) -> None:
        self.activity.add(NOW - HOUR_MS, self.connection_id, **counts)

    async def found(self, open_since_ms: dict[IncidentKey, int] | None = None) -> list[Finding]:
        return list((await self.finder.find(open_since_ms or {})).found)


async def test_ordinary_traffic_is_no_incident() -> None:
    """An hour like those before."""
    rig = await TrafficRig().ordinary_week()
    rig.last_hour(events=250, purchases=28, emails=205)
    assert await rig.found() == []


async def test_fall_of_purchases_and_match_keys_is_found_with_its_numbers() -> None:
    """Traffic goes on, so the input is not silent."""
    rig = await TrafficRig().ordinary_week()
    rig.last_hour(events=250, purchases=2, emails=50)
    purchases, keys = await rig.found()
    assert (purchases.kind, purchases.facts) == (
        "purchases_fell",
        {"hours": 1, "purchases": 2, "usual_purchases": 30},
    )
    assert (keys.kind, keys.facts) == (
        "match_keys_fell",
        {"hours": 1, "percent": {"email": 20}, "usual_percent": {"email": 80}},
    )
    await rig.parts.connections.set("Shop", {"enabled": False}, expected_revision=None, changed_by="test")
    assert await rig.found() == []


async def test_silent_input_is_found_until_it_receives_again() -> None:
    """However long that takes, though the days before are then as silent."""
    rig = await TrafficRig().ordinary_week()
    rig.parts.clock.time_ms = NOW + HOUR_MS
    silent = [each for each in await rig.found() if each.kind == "input_silent"]
    (incident,) = silent
    assert (incident.name, incident.facts["minutes"]) == ("shop", 170)
    key, opened = incident.key, rig.parts.clock.now_ms()
    rig.parts.clock.time_ms = NOW + 9 * DAY_MS
    assert [each.key for each in await rig.found({key: opened})] == [key]
    rig.activity.add(NOW + 9 * DAY_MS - MINUTE_MS, rig.connection_id, events=1, purchases=0, emails=0)
    assert await rig.found({key: opened}) == []


async def test_eight_days_are_read_once_and_then_only_what_is_new() -> None:
    """Late figures of the last minutes are read again; nothing is counted twice."""
    rig = await TrafficRig().ordinary_week()
    rig.last_hour(events=250, purchases=2, emails=200)
    first = await rig.found()
    assert len(rig.activity.asked) > 90
    rig.activity.asked.clear()
    assert await rig.found() == first
    ((from_ms, until_ms),) = rig.activity.asked
    assert until_ms - from_ms <= 30 * MINUTE_MS
