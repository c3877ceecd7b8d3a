"""The inputs: their keys, connections, secrets and figures."""

from collections.abc import Sequence
from typing import Final

from msgspec import Struct, structs
from starlette.exceptions import HTTPException
from starlette.responses import Response

from tiktok_forwarder.api.activity import SHOW_INPUT_FIGURES, InputFigures, InputFiguresQuery
from tiktok_forwarder.api.connections import LIST_CONNECTIONS
from tiktok_forwarder.api.inputs import (
    ADD_INPUT,
    CHANGE_INPUT,
    LIST_INPUTS,
    REMOVE_INPUT,
    RETIRE_SECRETS,
    ROTATE_INPUT,
)
from tiktok_forwarder.api.service import STATUS
from tiktok_forwarder.api.types import ConnectionView, InputCredentials, InputView, RotateBody
from tiktok_forwarder.console.api import ApiError
from tiktok_forwarder.console.connection_facts import feeding
from tiktok_forwarder.console.figures import PERIODS, InputSums, Period, input_sums, period_of, refusal_label
from tiktok_forwarder.console.input_forms import read_input_change, read_new_input, ready_settings
from tiktok_forwarder.console.page import Page, PageRequest
from tiktok_forwarder.console.rendering import number, part
from tiktok_forwarder.kafka.consumers import KafkaInputStatus

_REFUSED: Final = 422
_MINUTE_MS: Final = 60_000


class InputRow(Struct, frozen=True):
    """An input, the connections that receive from it, and the sums of its figures in the period of the page."""

    input: InputView
    feeds: list[ConnectionView]
    figures: InputFigures | None
    sums: InputSums
    kafka: KafkaInputStatus | None = None

    @property
    def kafka_state(self) -> str:
        """Return the state of a Kafka input in one word or two; empty for another input."""
        if self.kafka is None:
            return ""
        if not self.kafka.consumers:
            return "not running"
        return f"{self.kafka.state}, lag {number(self.kafka.lag)}"


async def _list(request: PageRequest) -> Response:
    return await _list_page(request)


async def _list_page(request: PageRequest, problems: Sequence[str] = ()) -> Response:
    values = {
        "inputs": await _rows(request, PERIODS[0]),
        "problems": problems,
    }
    return request.page("inputs/list.html", values, _REFUSED if problems else 200)


async def _rows(request: PageRequest, period: Period) -> list[InputRow]:
    connections = [(each, each.connection()) for each in await request.api.call(LIST_CONNECTIONS)]
    inputs = await request.api.call(LIST_INPUTS)
    kafka = (
        {each.input_id: each for each in (await request.api.call(STATUS)).kafka_inputs} if _has_kafka(inputs) else {}
    )
    figures = {each.input: each for each in await _figures(request, period)}
    return [
        InputRow(
            found,
            [view for view, connection in connections if feeding(connection, [found])],
            figures.get(found.name),
            input_sums(figures.get(found.name)),
            kafka.get(found.id),
        )
        for found in inputs
    ]


def _has_kafka(inputs: Sequence[InputView]) -> bool:
    return any(each.kafka is not None for each in inputs)


async def _figures(request: PageRequest, period: Period) -> list[InputFigures]:
    # The figures end now, by the API's own clock.
    until_ms = (await request.api.call(SHOW_INPUT_FIGURES)).until_ms
    asked = InputFiguresQuery(None, until_ms - period.minutes * _MINUTE_MS, until_ms)
    return (await request.api.call(SHOW_INPUT_FIGURES, query=asked)).inputs


async def _found(request: PageRequest, name: str, period: Period = PERIODS[0]) -> InputRow:
    """Return the input of this name. Raises `HTTPException` if there is none."""
    found = next((each for each in await _rows(request, period) if each.input.name.lower() == name.lower()), None)
    if found is None:
        raise HTTPException(404)
    return found


async def _add(request: PageRequest) -> Response:
    try:
        made = await request.api.call(ADD_INPUT, body=read_new_input(request.form))
    except ApiError as error:
        return await _list_page(request, error.problems)
    return await _input_page(request, made.name, made)


async def _show(request: PageRequest) -> Response:
    return await _input_page(request, request.path("input_name"))


async def _input_page(
    request: PageRequest, name: str, made: InputCredentials | None = None, problems: Sequence[str] = ()
) -> Response:
    """Show an input; `made` has the secrets if they were created just now."""
    period = period_of(request.query("period"))
    found = await _found(request, name, period)
    (ready,) = await ready_settings(request, [found.input], made)
    values = {
        **structs.asdict(found),
        "ready": ready,
        "problems": problems,
        "period": period,
        "periods": PERIODS,
        "refusal_label": refusal_label,
    }
    return request.page("inputs/show.html", values, _REFUSED if problems else 200)


async def _change(request: PageRequest) -> Response:
    name = request.path("input_name")
    try:
        await request.api.call(CHANGE_INPUT, name, body=read_input_change(request.form))
    except ApiError as error:
        if error.is_missing:
            raise
        return await _input_page(request, name, problems=error.problems)
    return request.go(f"/inputs/{part(name)}", "The input's settings are saved.")


async def _rotate(request: PageRequest) -> Response:
    name = request.path("input_name")
    try:
        made = await request.api.call(ROTATE_INPUT, name, body=RotateBody())
    except ApiError as error:
        return await _input_page(request, name, problems=error.problems)
    return await _input_page(request, name, made)


async def _retire(request: PageRequest) -> Response:
    name = request.path("input_name")
    retired = await request.api.call(RETIRE_SECRETS, name)
    newest = "secrets are" if retired.kind == "server" else "key is"
    return request.go(f"/inputs/{part(name)}", f"Only the newest {newest} valid now.")


async def _ask_remove(request: PageRequest) -> Response:
    found = await _found(request, request.path("input_name"))
    return request.page("inputs/remove.html", structs.asdict(found))


async def _remove(request: PageRequest) -> Response:
    removed = await request.api.call(REMOVE_INPUT, request.path("input_name"))
    return request.go("/inputs", f"{removed.name} is removed. Its events are no longer received.")


INPUTS_PAGES: Final = (
    Page("GET", "/inputs", "viewer", _list),
    Page("POST", "/inputs", "admin", _add),
    Page("GET", "/inputs/{input_name}", "viewer", _show),
    Page("POST", "/inputs/{input_name}/change", "admin", _change),
    Page("POST", "/inputs/{input_name}/rotate", "admin", _rotate),
    Page("POST", "/inputs/{input_name}/retire", "admin", _retire),
    Page("GET", "/inputs/{input_name}/remove", "admin", _ask_remove),
    Page("POST", "/inputs/{input_name}/remove", "admin", _remove),
)
