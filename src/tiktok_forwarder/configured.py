"""What people have configured, put together: copies of the documents of the store."""

from dataclasses import dataclass

from tiktok_forwarder.access.api_keys import ApiKeys
from tiktok_forwarder.access.audit import Audit
from tiktok_forwarder.access.passwords import Argon2Hasher
from tiktok_forwarder.access.users import Users
from tiktok_forwarder.connections.connections import Connections
from tiktok_forwarder.connections.first_steps import FirstSteps
from tiktok_forwarder.delivery.check_records import CheckRecords
from tiktok_forwarder.foundation import Foundation
from tiktok_forwarder.inputs.inputs import Inputs
from tiktok_forwarder.notices.recipients import Recipients
from tiktok_forwarder.store.shared_documents import SharedDocuments


@dataclass(frozen=True)
class Configured:
    """What people have configured, and what TikTok has answered about connections. Stored as documents."""

    shared: SharedDocuments
    inputs: Inputs
    connections: Connections
    check_records: CheckRecords
    first_steps: FirstSteps
    recipients: Recipients
    users: Users
    api_keys: ApiKeys
    audit: Audit

    async def load(self) -> None:
        """Read what people have configured. Raises `ConfigurationError` and `SecretUnreadable`."""
        await self.shared.load()


def configured_in(base: Foundation) -> Configured:
    """Return copies of what is stored there, which `load` fills."""
    shared = SharedDocuments(base.store, base.clock, base.telemetry)
    inputs = Inputs(shared, base.key_ring)
    connections = Connections(shared, base.key_ring, inputs)
    check_records = CheckRecords(base.store, base.clock, connections, base.keyed_hash)
    shared.keep("connection_check", check_records.load, check_records.follow)
    return Configured(
        shared,
        inputs,
        connections,
        check_records,
        FirstSteps(shared, connections),
        Recipients(shared, base.key_ring, base.clock),
        Users(shared, base.clock, Argon2Hasher()),
        ApiKeys(shared, base.clock),
        Audit(base.store, base.clock),
    )
