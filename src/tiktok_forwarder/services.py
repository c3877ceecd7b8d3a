"""The services that API and console work on, put together from the parts of the service."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import tzinfo

from tiktok_forwarder.access.api_keys import ApiKeys
from tiktok_forwarder.access.audit import Audit
from tiktok_forwarder.access.console_access import ConsoleAccess
from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.development_events import DevelopmentEvents
from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.browser.site_script import SiteScript
from tiktok_forwarder.configured import Configured
from tiktok_forwarder.connections.background_checks import BackgroundChecks
from tiktok_forwarder.connections.check import ConnectionCheck
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.connections.deletion import ConnectionDeletion
from tiktok_forwarder.connections.first_steps import FirstSteps
from tiktok_forwarder.delivery.clock_comparison import ClockComparison
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.delivery.interfaces import EventSender
from tiktok_forwarder.evidence.prover import Prover
from tiktok_forwarder.foundation import Foundation, Store
from tiktok_forwarder.inputs.inputs import Inputs
from tiktok_forwarder.intake.accept import Acceptor
from tiktok_forwarder.kafka.consumers import KafkaConsumers
from tiktok_forwarder.notices.notices import Notices
from tiktok_forwarder.operations.dead_letter_ends import DeadLetterEnds
from tiktok_forwarder.operations.dead_letters import DeadLetters
from tiktok_forwarder.operations.erasure import PersonErasure
from tiktok_forwarder.operations.key_rotation import KeyRotation
from tiktok_forwarder.operations.previews import Previews
from tiktok_forwarder.operations.replays import Replays
from tiktok_forwarder.setting_values import time_zone_named
from tiktok_forwarder.store.risks import RiskSource
from tiktok_forwarder.watched import Watched


@dataclass(frozen=True)
class Services:
    """The services that API and console work on."""

    store: Store
    risks: RiskSource
    inputs: Inputs
    connections: Connections
    acceptor: Acceptor
    kafka: KafkaConsumers
    deliverer: Deliverer
    connection_check: ConnectionCheck
    background_checks: BackgroundChecks
    prover: Prover
    first_steps: FirstSteps
    deletion: ConnectionDeletion
    dead_letters: DeadLetters
    activity: Activity
    seen_names: SeenNames
    development_events: DevelopmentEvents
    previews: Previews
    person_erasure: PersonErasure
    key_rotation: KeyRotation
    notices: Notices
    api_keys: ApiKeys
    console_access: ConsoleAccess
    audit: Audit
    clock_comparison: ClockComparison
    site_script: SiteScript
    time_zone: tzinfo
    console_address: Callable[[], str]
    setting_warnings: Sequence[str]

    @property
    def console_base(self) -> str:
        return self.console_address()


def build_services(
    base: Foundation,
    configured: Configured,
    watched: Watched,
    acceptor: Acceptor,
    deliverer: Deliverer,
    sender: EventSender,
    console_address: Callable[[], str],
) -> Services:
    store, clock, connections, audit = base.store, base.clock, configured.connections, configured.audit
    check = ConnectionCheck(connections, sender, clock, configured.check_records)
    return Services(
        store=store,
        risks=store,
        inputs=configured.inputs,
        connections=connections,
        acceptor=acceptor,
        kafka=KafkaConsumers(
            configured.inputs, watched.tracing.messages(acceptor), clock, base.nodes, observer=watched.observers
        ),
        deliverer=deliverer,
        connection_check=check,
        background_checks=BackgroundChecks(connections, check, base.telemetry),
        prover=Prover(connections, sender, clock, base.settings.tiktok_base_url),
        first_steps=configured.first_steps,
        deletion=ConnectionDeletion(connections, store, clock),
        dead_letters=DeadLetters(
            store,
            Replays(store, clock),
            clock,
            connections.connection_ids,
            DeadLetterEnds(store, clock, base.settings.dead_letter_days),
        ),
        activity=watched.activity,
        seen_names=watched.seen_names,
        development_events=watched.development_events,
        previews=Previews(connections, watched.development_events, clock),
        person_erasure=PersonErasure(
            store, clock, connections, watched.activity, watched.development_events, base.subject_hash, audit
        ),
        key_rotation=KeyRotation(
            configured.shared, store, base.key_ring, configured.inputs, connections, configured.recipients
        ),
        notices=Notices(store, configured.recipients, clock, base.telemetry, base.settings.notice_policy()),
        api_keys=configured.api_keys,
        console_access=ConsoleAccess(
            configured.users, audit, store, clock, base.login_throttle, base.draft_keys, base.oidc_policy_digest
        ),
        audit=audit,
        clock_comparison=base.clock_comparison,
        site_script=SiteScript(base.settings.script_path),
        time_zone=time_zone_named(base.settings.time_zone),
        console_address=console_address,
        setting_warnings=base.settings.warnings,
    )
