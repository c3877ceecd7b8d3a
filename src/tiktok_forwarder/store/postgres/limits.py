"""How much of a PostgreSQL server a process uses, and for how long."""

from msgspec import Struct


class PoolLimits(Struct, frozen=True):
    """How a process uses the server.

    `has_pooler`: a transaction pooler is in between, such as PgBouncer. Then each use is a transaction, since a pooler
    keeps to one session of the server only in it, and nothing is prepared for a later use. `statement_timeout` and
    `idle_in_transaction_session_timeout` must be set for the role, since a pooler does not pass them on.
    """

    connections: int = 8
    connect_seconds: float = 5.0
    statement_seconds: float = 30.0
    idle_in_transaction_seconds: float = 10.0
    has_pooler: bool = False
