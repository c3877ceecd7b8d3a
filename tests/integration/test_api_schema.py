"""The API held against its own OpenAPI document: generated requests, sound and unsound, over the service's port."""

from collections.abc import Iterator
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from tests.integration.served_api import DISPOSABLE, ServedApi, served_api
from tiktok_forwarder.api.app import ENDPOINTS
from tiktok_forwarder.api.openapi import document_of

pytestmark = pytest.mark.slow

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
SCHEMA = schemathesis.openapi.from_dict(document_of(ENDPOINTS))
NAMES = ("Shop", "Shoes/50 %", "shop", "nobody")
# Of what a connection may be given: what generated values can hardly meet.
HARD_SETTINGS = ("inputs", "custom_mappings", "default_currency", "default_phone_region", "purchase_event")


@SCHEMA.hook
def map_path_parameters(context: schemathesis.HookContext, path_parameters: dict[str, Any] | None) -> Any:
    """Half of the requests name something that is there; what they delete is there for that."""
    name = (path_parameters or {}).get("name")
    if not isinstance(name, str) or len(name) % 2 == 0:
        return path_parameters
    is_deletion = context.operation is not None and context.operation.method == "delete"
    return {**(path_parameters or {}), "name": DISPOSABLE if is_deletion else NAMES[len(name) // 2 % len(NAMES)]}


@SCHEMA.hook
def map_body(_context: schemathesis.HookContext, body: Any) -> Any:
    """Half of the connections have no setting but such as may be accepted."""
    if not isinstance(body, dict) or len(str(body.get("pixel_id"))) % 2 == 0:
        return body
    kept = {key: value for key, value in body.items() if key not in HARD_SETTINGS and "identity" not in key}
    return {**kept, "access_token": "generated"} if "access_token" in kept else kept


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedApi]:
    with served_api(tmp_path_factory.mktemp("data")) as served:
        yield served


@SCHEMA.parametrize()
@settings(max_examples=40, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_answer_is_in_the_document(case: "schemathesis.Case[Any]", served: ServedApi) -> None:
    """No request that can be generated meets a server error, or an answer that the document does not tell of."""
    case.call_and_validate(base_url=served.url, headers={"Authorization": f"Bearer {served.key}"}, checks=CHECKS)
