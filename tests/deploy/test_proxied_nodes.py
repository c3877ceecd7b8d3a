"""The services of the compose file behind the Caddyfile: which of them answers what, and who the visitor is."""

import json
import re
from collections.abc import Iterator

import pytest

from tests.deploy.deployment import OUTER_PROXY, VARIABLES, VISITOR, Deployment, deployed
from tests.integration.service_rig import fresh_batch
from tests.integration.test_browser_routes import KEY, PAGE

# In one process: the services of most tests are started once.
pytestmark = [pytest.mark.slow, pytest.mark.timeout(240), pytest.mark.xdist_group("proxied_nodes")]


@pytest.fixture(scope="module")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    with deployed(tmp_path_factory.mktemp("deployment")) as running:
        yield running


def answered_202(metrics: str) -> int:
    found = re.findall(r'^tiktok_forwarder_requests_total\{[^}]*status="202"[^}]*\} (\d+)', metrics, re.MULTILINE)
    return sum(map(int, found))


def test_events_reach_the_nodes_that_receive_and_are_delivered(deployment: Deployment) -> None:
    """Also with doubled slashes, as one of mParticle's SDKs makes them; the other nodes get none of them."""
    before = {name: answered_202(deployment.composed.metrics(name)) for name in deployment.composed.nodes}
    paths = ("/v2/events", "/v2/events", "//v2/events", "/v2//events")
    event_ids = [f"routed-{number}" for number in range(len(paths))]
    assert [deployment.post(*each) for each in zip(paths, event_ids, strict=True)] == [202] * len(paths)
    deployment.until_delivered(*event_ids)
    after = {name: answered_202(deployment.composed.metrics(name)) for name in deployment.composed.nodes}
    received = {name: after[name] - before[name] for name in after}
    shares = [received.pop("ingest-1"), received.pop("ingest-2")]
    assert sum(shares) == len(paths) and min(shares) > 0
    assert set(received.values()) == {0}


def test_script_for_sites_is_served_at_both_of_its_paths(deployment: Deployment) -> None:
    """The one that pages with an integrity hash use has the hash in its name."""
    script = deployment.api("GET", "/api/site-script")
    assert script["path"] != script["pinned_path"]
    for path in (script["path"], script["pinned_path"]):
        answer = deployment.proxy.request("GET", path)
        assert answer.status == 200 and answer.headers["Content-Type"].startswith("text/javascript"), path


def test_console_and_api_are_served_by_the_node_with_the_console(deployment: Deployment) -> None:
    """The page knows itself by the URL of the compose file, and the API authenticates keys."""
    key = deployment.api("POST", "/api/keys", {"name": "ops", "scope": "read"})["key"]
    page = deployment.proxy.request("GET", "/login", headers={"Host": VARIABLES["DOMAIN"]})
    assert page.status == 200 and b"<form" in page.body
    status = deployment.proxy.request("GET", "/api/status", headers={"Authorization": f"Bearer {key}"})
    assert status.status == 200 and [each["name"] for each in status.json["connections"]] == ["Shop"]
    assert deployment.proxy.request("GET", "/api/status").status == 401


def test_metrics_are_not_public(deployment: Deployment) -> None:
    """Neither at Caddy nor, should it pass them on, at a node that is asked by another machine."""
    assert deployment.proxy.request("GET", "/metrics").status == 404
    assert deployment.proxy.request("GET", "//metrics").status in (403, 404)


def test_readiness_is_that_of_the_nodes_that_receive(deployment: Deployment) -> None:
    """A monitor outside learns whether events are accepted."""
    answer = deployment.proxy.request("GET", "/readyz")
    assert (answer.status, answer.json) == (200, {"ready": True, "reasons": []})


@pytest.mark.parametrize(
    ("source", "forwarded", "expected"),
    [
        (VISITOR, None, VISITOR),
        (VISITOR, "198.51.100.66", VISITOR),
        (OUTER_PROXY, "198.51.100.7", "198.51.100.7"),
        (OUTER_PROXY, "198.51.100.66, 198.51.100.8", "198.51.100.8"),
    ],
    ids=["direct", "forged", "through-a-proxy", "forged-through-a-proxy"],
)
def test_visitors_address_is_what_a_trusted_proxy_reports(
    deployment: Deployment, request: pytest.FixtureRequest, source: str, forwarded: str | None, expected: str
) -> None:
    """A visitor may write anything into the header; only what declared proxies add to it counts."""
    event_id = f"visitor-{request.node.callspec.id}"
    headers = dict(PAGE) | ({} if forwarded is None else {"X-Forwarded-For": forwarded})
    body = json.dumps(fresh_batch(event_id)).encode()
    answer = deployment.proxy.request("POST", f"/v3/JS/{KEY}/events", body, headers, source)
    assert answer.status == 202
    assert deployment.until_delivered(event_id)[event_id]["user"]["ip"] == expected
