"""What the endpoints work on. The composition root builds it; it does not depend on implementations."""

from collections.abc import Sequence
from datetime import tzinfo
from typing import Protocol

from tiktok_forwarder.access.api_keys import ApiKeys
from tiktok_forwarder.access.audit import Audit
from tiktok_forwarder.access.console_access import ConsoleAccess
from tiktok_forwarder.activity.activity import Activity
from tiktok_forwarder.activity.development_events import DevelopmentEvents
from tiktok_forwarder.activity.seen_names import SeenNames
from tiktok_forwarder.browser.site_script import SiteScript
from tiktok_forwarder.connections.background_checks import BackgroundChecks
from tiktok_forwarder.connections.check import ConnectionCheck
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.connections.deletion import ConnectionDeletion
from tiktok_forwarder.connections.first_steps import FirstSteps
from tiktok_forwarder.delivery.clock_comparison import ClockComparison
from tiktok_forwarder.delivery.deliverer import Deliverer
from tiktok_forwarder.evidence.prover import Prover
from tiktok_forwarder.inputs.inputs import Inputs
from tiktok_forwarder.intake.accept import Acceptor
from tiktok_forwarder.kafka.consumers import KafkaConsumers
from tiktok_forwarder.notices.notices import Notices
from tiktok_forwarder.operations.dead_letters import DeadLetters
from tiktok_forwarder.operations.erasure import PersonErasure
from tiktok_forwarder.operations.key_rotation import KeyRotation
from tiktok_forwarder.operations.previews import Previews
from tiktok_forwarder.store.events import EventStore
from tiktok_forwarder.store.risks import RiskSource


class Services(Protocol):
    """The parts of a running service, read-only."""

    @property
    def store(self) -> EventStore: ...
    @property
    def risks(self) -> RiskSource: ...
    @property
    def inputs(self) -> Inputs: ...
    @property
    def connections(self) -> Connections: ...
    @property
    def acceptor(self) -> Acceptor: ...
    @property
    def kafka(self) -> KafkaConsumers: ...
    @property
    def deliverer(self) -> Deliverer: ...
    @property
    def connection_check(self) -> ConnectionCheck: ...
    @property
    def background_checks(self) -> BackgroundChecks: ...
    @property
    def prover(self) -> Prover: ...
    @property
    def first_steps(self) -> FirstSteps: ...
    @property
    def deletion(self) -> ConnectionDeletion: ...
    @property
    def dead_letters(self) -> DeadLetters: ...
    @property
    def activity(self) -> Activity: ...
    @property
    def seen_names(self) -> SeenNames: ...
    @property
    def development_events(self) -> DevelopmentEvents: ...
    @property
    def previews(self) -> Previews: ...
    @property
    def person_erasure(self) -> PersonErasure: ...
    @property
    def key_rotation(self) -> KeyRotation: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def api_keys(self) -> ApiKeys: ...
    @property
    def console_access(self) -> ConsoleAccess: ...
    @property
    def audit(self) -> Audit: ...
    @property
    def clock_comparison(self) -> ClockComparison: ...
    @property
    def site_script(self) -> SiteScript: ...
    @property
    def setting_warnings(self) -> Sequence[str]:
        """Return what the settings of the process risk."""
        ...

    @property
    def time_zone(self) -> tzinfo:
        """Return the time zone whose days results are by."""
        ...

    @property
    def console_base(self) -> str:
        """Return the console's address, as a browser sees it."""
        ...
