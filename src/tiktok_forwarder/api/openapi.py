"""The OpenAPI document, built from the endpoints and their msgspec types."""

from functools import cache
from typing import Any, Final

import msgspec

from tiktok_forwarder import __version__
from tiktok_forwarder.api.endpoint import PARAMETER, AnyEndpoint, Problems, plain_path
from tiktok_forwarder.api.settings_schema import settings_schema
from tiktok_forwarder.api.types import SETTINGS_COMPONENT

_TEMPLATE: Final = "#/components/schemas/{name}"
_REFUSALS: Final = {
    400: "The query or body is invalid.",
    401: "The API key is missing or invalid.",
    403: "The key's scope does not allow this operation.",
    404: "Not found.",
    409: "Edit conflict: it was changed since it was read.",
    413: "The body is too large.",
    415: "The body is not JSON.",
    422: "Invalid values. The answer lists every problem.",
    503: "The event store is unavailable.",
}


@cache
def document_of(endpoints: tuple[AnyEndpoint, ...]) -> dict[str, Any]:
    """Return the OpenAPI 3.1 document. It is built on first request: few need it, and building takes a while."""
    types: list[Any] = [Problems]
    for endpoint in endpoints:
        types += [kind for kind in (endpoint.answer, endpoint.body, endpoint.query) if kind is not None]
    schemas, components = msgspec.json.schema_components(types, ref_template=_TEMPLATE)
    schema_of = dict(zip(map(_key, types), schemas, strict=True))
    paths: dict[str, Any] = {}
    for endpoint in endpoints:
        operations = paths.setdefault(plain_path(endpoint.path), {})
        operations[endpoint.method.lower()] = _operation(endpoint, schema_of, components)
    return {
        "openapi": "3.1.0",
        "info": {"title": "tiktok-forwarder", "version": __version__, "license": {"name": "Apache-2.0"}},
        "security": [{"key": []}],
        "paths": paths,
        "components": {
            "schemas": {**components, SETTINGS_COMPONENT: settings_schema()},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer", "description": "An API key."}},
        },
    }


def _key(kind: Any) -> str:
    return repr(kind)


def _operation(endpoint: AnyEndpoint, schema_of: dict[str, Any], components: dict[str, Any]) -> dict[str, Any]:
    operation: dict[str, Any] = {
        "operationId": endpoint.name,
        "summary": endpoint.summary,
        "description": f"Scope: {endpoint.scope}.",
        "parameters": [*_path_parameters(endpoint), *_query_parameters(endpoint, components)],
        "responses": _responses(endpoint, schema_of),
    }
    if endpoint.body is not None:
        content = {"application/json": {"schema": schema_of[_key(endpoint.body)]}}
        operation["requestBody"] = {"required": True, "content": content}
    if endpoint.takes_batches:
        batches = {"oneOf": [{"type": "object"}, {"type": "array", "items": {"type": "object"}}]}
        operation["requestBody"] = {"required": True, "content": {"application/json": {"schema": batches}}}
    return operation


def _path_parameters(endpoint: AnyEndpoint) -> list[dict[str, Any]]:
    found = PARAMETER.finditer(endpoint.path)
    kinds = {True: {"type": "integer", "minimum": 0}, False: {"type": "string", "minLength": 1}}
    return [{"name": each[1], "in": "path", "required": True, "schema": kinds[each[2] == "int"]} for each in found]


def _query_parameters(endpoint: AnyEndpoint, components: dict[str, Any]) -> list[dict[str, Any]]:
    members = components.get(endpoint.query.__name__, {}).get("properties", {})
    return [
        {"name": name, "in": "query", "required": False, "schema": _without_null(schema)}
        for name, schema in members.items()
    ]


def _without_null(schema: dict[str, Any]) -> dict[str, Any]:
    """Return the schema without null: a query has no null, only absent parameters."""
    kept = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    return kept[0] if len(kept) == 1 else {name: value for name, value in schema.items() if name != "default"}


def _responses(endpoint: AnyEndpoint, schema_of: dict[str, Any]) -> dict[str, Any]:
    good = {"description": "Done.", "content": {"application/json": {"schema": schema_of[_key(endpoint.answer)]}}}
    statuses = [400, 401, 403, 503]
    statuses += [404] if endpoint.can_miss else []
    statuses += [409, 422] if endpoint.can_refuse else []
    statuses += [413, 415] if endpoint.body is not None else []
    statuses += [413] if endpoint.takes_batches else []
    problems = {"application/json": {"schema": schema_of[_key(Problems)]}}
    refusals = {str(each): {"description": _REFUSALS[each], "content": problems} for each in sorted(statuses)}
    return {str(endpoint.status): good, **refusals}
