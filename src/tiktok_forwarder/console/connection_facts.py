"""Data on connections, combined from several API calls."""

from collections.abc import Sequence

from msgspec import Struct

from tiktok_forwarder.activity.figures import FigureSet
from tiktok_forwarder.api.activity import SHOW_FIGURES, ConnectionFigures, FiguresQuery
from tiktok_forwarder.api.connections import LIST_CONNECTIONS, SHOW_CONNECTION
from tiktok_forwarder.api.inputs import LIST_INPUTS
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.api.types import ConnectionStatus, ConnectionView, InputView
from tiktok_forwarder.console.api import Api
from tiktok_forwarder.console.first_steps import Step, is_complete, steps_of
from tiktok_forwarder.console.rendering import part
from tiktok_forwarder.mapping.connection import Connection


def page_of(connection_id: str, rest: str = "") -> str:
    """Return the path of a connection's page. By ID: names can change and contain anything."""
    return f"/connections/{part(connection_id)}{rest}"


async def all_connections(api: Api) -> list[Connection]:
    return [each.connection() for each in await api.call(LIST_CONNECTIONS)]


class ConnectionRow(Struct, frozen=True):
    """A connection in a list. `figures` are of the list's period, None without activity in it."""

    state: ConnectionStatus
    figures: FigureSet | None
    pixel_id: str = ""


def rows_of(states: Sequence[ConnectionStatus], figures: Sequence[ConnectionFigures]) -> list[ConnectionRow]:
    totals = {each.connection_id: each.total for each in figures}
    return [ConnectionRow(each, totals.get(each.id)) for each in states]


async def all_rows(api: Api) -> list[ConnectionRow]:
    """Return every connection with its pixel and the figures of the last hour."""
    pixels = {each.id: each.pixel_id for each in await all_connections(api)}
    status = await api.call(STATUS)
    figures = await api.call(SHOW_FIGURES)
    # The calls are not atomic: a connection added or removed in between shows up on the next refresh.
    return [
        ConnectionRow(each.state, each.figures, pixels[each.state.id])
        for each in rows_of(status.connections, figures.connections)
        if each.state.id in pixels
    ]


class ConnectionFacts(Struct, frozen=True):
    """`view` is the connection as the API shows it, `hour` the last hour's figures, `inputs` those it receives from."""

    view: ConnectionView
    connection: Connection
    state: ConnectionStatus
    hour: FigureSet | None
    inputs: list[InputView]

    def steps(self) -> list[Step]:
        """Return the steps to the first event, unless all are done."""
        if is_complete(self.connection, self.state):
            return []
        return steps_of(self.connection, self.state, self.inputs)


async def facts_of(api: Api, connection_id: str) -> ConnectionFacts:
    """Return what a connection's page shows. Raises `ApiError` if there is no such connection."""
    view = await api.call(SHOW_CONNECTION, connection_id)
    status = await api.call(STATUS)
    figures = await api.call(SHOW_FIGURES, query=FiguresQuery(connection=view.id))
    connection = view.connection()
    return ConnectionFacts(
        view,
        connection,
        next(each for each in status.connections if each.id == view.id),
        figures.connections[0].total if figures.connections else None,
        feeding(connection, await api.call(LIST_INPUTS)),
    )


def feeding(connection: Connection, inputs: Sequence[InputView]) -> list[InputView]:
    """Return the inputs from which this connection receives events."""
    named = [name.lower() for name in connection.inputs]
    return [each for each in inputs if not named or each.name.lower() in named]
