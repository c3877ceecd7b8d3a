"""Who may do what without credentials, and what guessing them costs."""

import ast
import hmac
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.integration.service_rig import AUTHORIZATION, BASIC, KEY, Service, basic, fresh_batch, running_service
from tiktok_forwarder.api.app import ENDPOINTS
from tiktok_forwarder.api.endpoint import plain_path
from tiktok_forwarder.intake.failures import FailedAuthentications
from tiktok_forwarder.web.origin import source_of

SOURCE = Path(__file__).parents[2] / "src" / "tiktok_forwarder"
SECRET_NAME = re.compile(r"secret|token|digest|authorization|password|signature|csrf", re.IGNORECASE)
# Compared as parts of records that nobody outside has a hand in.
HARMLESS = {
    ("access/console_access.py", "password_hash"),
    ("connections/connections.py", "sealed_token"),
    ("connections/connections.py", "token"),
    ("delivery/check_records.py", "pixel_and_token"),
}


@pytest.fixture
async def service(tmp_path: Path) -> Any:
    async with running_service(tmp_path, log_level="error") as running:
        yield running


async def guess(service: Service, path: str, headers: dict[str, str]) -> int:
    return (await service.post(path, fresh_batch("e1"), headers)).status


@pytest.mark.parametrize(
    ("path", "wrong", "right"),
    [
        ("/v2/events", basic(KEY, "guessed-secret"), BASIC),
        ("/v2/bulkevents", basic("nobody", "guessed-secret"), BASIC),
        ("/webhook/shop", {"Authorization": "Token guessed"}, {"Authorization": AUTHORIZATION}),
        ("/firehose/shop", {"Authorization": "Token guessed"}, {"Authorization": AUTHORIZATION}),
    ],
)
async def test_guessing_is_throttled_and_good_credentials_never(
    service: Service, path: str, wrong: dict[str, str], right: dict[str, str]
) -> None:
    """After 20 failures in a minute an address is asked to wait; who has the secret behind it is served all along."""
    assert [await guess(service, path, wrong) for _ in range(20)] == [403] * 20
    refused = await service.post(path, b"{}", wrong)
    assert refused.status == 429
    assert 0 < int(refused.headers["Retry-After"]) <= 60
    assert refused.json["errors"][0]["code"] == "TOO_MANY_FAILURES"
    assert await guess(service, path, right) in (200, 202)
    assert (await service.post(path, b"{}", {})).status == 401
    assert 'reason="too_many_failures"' in await service.metrics()


def test_a_source_may_fail_again_once_its_minute_is_over() -> None:
    """Each source by itself; nothing is held against it for longer."""
    failures = FailedAuthentications()
    assert [failures.failed("a", 0.0) for _ in range(20)] == [0] * 20
    assert failures.failed("a", 0.5) == 60
    assert failures.failed("b", 0.5) == 0
    assert failures.failed("a", 59.9) == 1
    assert failures.failed("a", 60.0) == 0


def test_memory_of_failures_is_bounded() -> None:
    """A million addresses cost no more than ten thousand, and the newest are remembered."""
    failures = FailedAuthentications()
    for number in range(30_000):
        failures.failed(str(number), number / 1000)
    assert len(failures._by_source) == 10_000
    assert {"20000", "29999"} <= failures._by_source.keys() and "19999" not in failures._by_source


def test_failures_that_are_over_make_room_first() -> None:
    """A guesser's failures are still counted when thousands of older sources are forgotten."""
    failures = FailedAuthentications()
    for number in range(5000):
        failures.failed(f"old {number}", 0.0)
    for _ in range(20):
        assert failures.failed("guesser", 30.0) == 0
    for number in range(5000):
        failures.failed(f"new {number}", 61.0)
    assert not any(source.startswith("old") for source in failures._by_source)
    assert failures.failed("guesser", 61.0) == 29


def test_source_that_fails_again_is_the_newest() -> None:
    """A guesser who comes back is not the first to be forgotten when memory is full, however early they began."""
    failures = FailedAuthentications()
    failures.failed("guesser", 0.0)
    for number in range(9999):
        failures.failed(str(number), 50.0)
    assert [failures.failed("guesser", 60.0) for _ in range(20)] == [0] * 20
    failures.failed("one more", 61.0)
    assert failures.failed("guesser", 61.0) == 59


@pytest.mark.parametrize(
    ("client", "source"),
    [
        (("203.0.113.7", 1), "203.0.113.7"),
        (("2001:db8::1", 1), "2001:db8::/64"),
        (("2001:db8::ffff:2", 1), "2001:db8::/64"),
        (("testclient", 1), "testclient"),
        (None, ""),
    ],
)
def test_a_source_is_what_the_socket_says(client: object, source: str) -> None:
    """Of IPv6 the network, since whoever has one of its addresses has all; a header cannot change it."""
    forged = [(b"x-forwarded-for", b"198.51.100.1")]
    assert source_of({"client": client, "headers": forged}) == source


async def test_what_answers_without_credentials(service: Service) -> None:
    """Health and readiness; metrics on this machine; the script for sites; the pages for logging in; nothing else."""
    open_to_all = {("GET", path): 200 for path in ("/healthz", "/readyz", "/metrics", "/tiktok-forwarder.js")}
    for (method, path), status in open_to_all.items():
        assert (await service.request(method, path)).status == status
    for path in ("/api", "/docs", "/openapi.json", "/admin", "/.env", "/metrics/", "/v1/events", "/static/x"):
        assert (await service.request("GET", path)).status == 404, path
    for path in ("/v2/events", "/v2/bulkevents", "/v2/bulkevents/historical", "/webhook/shop", "/firehose/shop"):
        assert (await service.request("GET", path)).status == 405, path
        assert (await service.request("POST", path, b"{}")).status == 401, path
    for path in ("/v3/JS/unknown/events", "/webevents/v1/identity/unknown/Alias"):
        assert (await service.request("POST", path, b"{}")).status == 403, path
    assert (await service.request("POST", "/identity/v1/identify", b"{}")).status == 401
    assert (await service.request("GET", "/tags/JS/v2/unknown/config")).status == 404
    assert (await service.request("GET", "/api/openapi.json")).status == 401
    proxied = {"X-Forwarded-For": "198.51.100.1"}
    assert (await service.request("GET", "/metrics", headers=proxied)).status == 401


async def test_no_answer_of_the_api_may_be_kept_or_taken_for_a_page(service: Service) -> None:
    """Refusals included: `no-store`, `nosniff`, and JSON."""
    key = (await service.services.api_keys.make("k", "admin", "test")).key
    addresses = [(each.method, plain_path(each.path).replace("{", "").replace("}", "")) for each in ENDPOINTS]
    for method, path in [*addresses, ("GET", "/api/openapi.json"), ("GET", "/api/nothing"), ("PUT", "/api/status")]:
        for headers in ({}, {"Authorization": f"Bearer {key}"}):
            answer = await service.request(method, path, b"[" if method != "GET" else None, headers)
            assert answer.headers["Cache-Control"] == "no-store", (method, path, answer.status)
            assert answer.headers["X-Content-Type-Options"] == "nosniff", (method, path, answer.status)
            assert answer.headers["Content-Type"] == "application/json", (method, path, answer.status)


async def test_every_way_in_compares_in_constant_time(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    """Inputs' secrets, webhooks' values and API keys: digests of one length, whether or not the name is known."""
    made = await service.services.api_keys.make("k", "read", "test")
    compared: list[tuple[int, int]] = []
    real = hmac.compare_digest

    def counting(one: Any, other: Any) -> bool:
        compared.append((len(one), len(other)))
        return real(one, other)

    monkeypatch.setattr(hmac, "compare_digest", counting)
    tries: list[tuple[str, str, dict[str, str]]] = [
        ("POST", "/v2/events", basic(KEY, "x")),
        ("POST", "/v2/events", basic("nobody", "x" * 99)),
        ("POST", "/webhook/shop", {"Authorization": "x"}),
        ("POST", "/webhook/nobody", {"Authorization": "x"}),
        ("POST", "/firehose/shop", {"Authorization": AUTHORIZATION}),
        ("GET", "/api/status", {"Authorization": "Bearer x"}),
        ("GET", "/api/status", {"Authorization": f"Bearer {made.key}"}),
    ]
    for method, path, headers in tries:
        compared.clear()
        await service.request(method, path, b"{}" if method == "POST" else None, headers)
        assert compared == [(32, 32)], path


def comparisons() -> Iterator[tuple[str, str]]:
    """File and name of whatever is compared with == or != and is called like a secret."""
    for file in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Compare) and any(isinstance(op, ast.Eq | ast.NotEq) for op in node.ops):
                for side in (node.left, *node.comparators):
                    name = side.attr if isinstance(side, ast.Attribute) else getattr(side, "id", "")
                    if SECRET_NAME.search(name) and not name.isupper():
                        yield str(file.relative_to(SOURCE)), name


def test_nothing_called_a_secret_is_compared_with_equals() -> None:
    """In constant time or not at all; the few comparisons of stored records among themselves are listed."""
    outside = {each for each in comparisons() if not each[0].startswith("sandbox/")}
    assert outside == HARMLESS
