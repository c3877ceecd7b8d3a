"""What is known of the connections, put together from several questions to the API."""

from collections.abc import Sequence

from msgspec import Struct

from tiktok_forwarder.activity.figures import FigureSet
from tiktok_forwarder.api.activity import SHOW_FIGURES, ConnectionFigures, FiguresQuery
from tiktok_forwarder.api.connections import LIST_CONNECTIONS, SHOW_CONNECTION
from tiktok_forwarder.api.inputs import LIST_INPUTS
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.api.types import ConnectionStatus, ConnectionView, InputView
from tiktok_forwarder.console.api import Api
from tiktok_forwarder.console.rendering import part
from tiktok_forwarder.mapping.connection import Connection


def page_of(connection_id: str, rest: str = "") -> str:
    """A connection's address here. Its id is what stays: a name may hold anything, and change."""
    return f"/connections/{part(connection_id)}{rest}"


async def all_connections(api: Api) -> list[Connection]:
    return [each.connection() for each in await api.call(LIST_CONNECTIONS)]


class ConnectionRow(Struct, frozen=True):
    """A connection in a list. `figures` are of the time that the list is about, None if nothing happened in it."""

    state: ConnectionStatus
    figures: FigureSet | None
    pixel_id: str = ""


def rows_of(states: Sequence[ConnectionStatus], figures: Sequence[ConnectionFigures]) -> list[ConnectionRow]:
    totals = {each.connection_id: each.total for each in figures}
    return [ConnectionRow(each, totals.get(each.id)) for each in states]


async def all_rows(api: Api) -> list[ConnectionRow]:
    """Every connection with its pixel and the last hour."""
    pixels = {each.id: each.pixel_id for each in await all_connections(api)}
    status = await api.call(STATUS)
    figures = await api.call(SHOW_FIGURES)
    # One that came or went between two answers is seen the next time.
    return [
        ConnectionRow(each.state, each.figures, pixels[each.state.id])
        for each in rows_of(status.connections, figures.connections)
        if each.state.id in pixels
    ]


class ConnectionFacts(Struct, frozen=True):
    """`view` is the connection as the API shows it, `hour` what happened in the last one, `inputs` who feeds it."""

    view: ConnectionView
    connection: Connection
    state: ConnectionStatus
    hour: FigureSet | None
    inputs: list[InputView]


async def facts_of(api: Api, connection_id: str) -> ConnectionFacts:
    """Raises `ApiError` if there is none."""
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
    """The inputs whose events this connection gets."""
    named = [name.lower() for name in connection.inputs]
    return [each for each in inputs if not named or each.name.lower() in named]
