"""What is logged and counted about the store itself: problems, risks and quotas, each with what to do."""

from collections.abc import Mapping, Sequence
from typing import Final

import structlog
from prometheus_client import CollectorRegistry, Gauge

from tiktok_forwarder.store.risks import RISK_NAMES, RiskName, StoreRisk
from tiktok_forwarder.store.totals import QueueCounts

REMEDIES: Final[Mapping[str, str]] = {
    "full": "free space on the disk of data_dir if the database is there, or raise max_store_bytes",
    "disk": "check the disk of the database: system log, free space, write permission",
    "locked": "stop the program that has events.db open for writing",
    "damaged": "stop the service, keep a copy of data_dir, and restore a backup",
    "missing": "put the files of data_dir back where they were, or restart the service to use what is there now",
    "deleted": "do not stop the service before its waiting events are delivered; then start it again",
    "unreachable": "check that PostgreSQL runs, can be reached and answers within postgresql_timeout_seconds",
    "read_only": "complete PostgreSQL's failover, or name the host of its primary in the setting store",
    "database": "read PostgreSQL's log: it refuses what the service stores",
}


class StoreReports:
    """The observer of the watches over the store."""

    def __init__(self, log: structlog.typing.FilteringBoundLogger, registry: CollectorRegistry) -> None:
        self._log = log
        self._risks = Gauge(
            "tiktok_forwarder_store_risk",
            "1 while a setting of the store's server may lose accepted events.",
            ("risk",),
            registry=registry,
        )
        for name in RISK_NAMES:
            self._risks.labels(name).set(0)

    def on_store_problems(self, problems: Sequence[str]) -> None:
        for problem in problems:
            self._log.error("the event store accepts no new events", problem=problem, remedy=REMEDIES.get(problem, ""))
        if not problems:
            self._log.warning("the event store accepts new events again")

    def on_store_risk(self, risk: StoreRisk) -> None:
        self._risks.labels(risk.name).set(1)
        self._log.warning("the event store may lose accepted events", risk=risk.name, message=risk.message)

    def on_store_risk_over(self, name: RiskName) -> None:
        self._risks.labels(name).set(0)
        self._log.info("a risk of the event store is over", risk=name)

    def on_store_key_problem(self, problem: str) -> None:
        self._log.error("the encryption key of the store cannot be followed", problem=problem)

    def on_store_key_problem_over(self) -> None:
        self._log.warning("the encryption key of the store is in use here again")

    def on_database_deleted(self, counts: Mapping[str, QueueCounts], *, is_final: bool) -> None:
        what = "events were lost with the deleted database" if is_final else "events are in a deleted database only"
        for connection_id, each in counts.items():
            self._log.error(what, connection=connection_id, waiting=each.waiting, dead_letters=each.dead_letters)
        if not counts:
            self._log.warning("no event was in the deleted database")

    def on_dead_letters_expired(self, connection_id: str, count: int) -> None:
        self._log.warning(
            "dead letters were deleted: they were neither replayed nor discarded within dead_letter_days",
            connection=connection_id,
            dead_letters=count,
        )

    def on_quota_warning(self, connection_id: str, quota_used: float) -> None:
        self._log.warning(
            "most of the connection's storage quota is used",
            connection=connection_id,
            percent=int(quota_used * 100),
            remedy="fix what prevents delivery, replay or discard dead letters, or raise max_store_bytes",
        )

    def on_quota_warning_over(self, connection_id: str, quota_used: float) -> None:
        self._log.info(
            "the connection's storage quota is available again", connection=connection_id, percent=int(quota_used * 100)
        )
