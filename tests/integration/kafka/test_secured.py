"""TLS and logins as mParticle documents them: through a proxy that ends both in front of the broker."""

import datetime
import ipaddress
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from tests.integration.kafka.test_consuming import kafka_status
from tests.integration.service_rig import Service, running_service
from tests.kafka_broker import TOPIC, Broker, batch_of_output
from tests.kafka_login import LoginProxy
from tests.patience import wait_until
from tiktok_forwarder.web.in_process import asgi_call
from tiktok_sandbox import Sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]

USER_NAME = "forwarder"
PASSWORD = "password-of-the-consumer"


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as made:
        yield made


def certificate_of(file: Path, address: str = "127.0.0.1") -> str:
    """Write a certificate of this address with its key; return the certificate, which is its own authority."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "broker.example.com")])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    text = made.public_bytes(serialization.Encoding.PEM)
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    file.write_bytes(text + private)
    return text.decode()


@contextmanager
def secured_broker(
    tmp_path: Path, mechanism: str | None, certificate: Path | None
) -> Iterator[tuple[LoginProxy, Broker]]:
    with (
        LoginProxy(mechanism, USER_NAME, PASSWORD, certificate) as proxy,
        Broker(tmp_path / "broker.log", advertised_port=proxy.port) as broker,
    ):
        proxy.pass_to(broker.port)
        yield proxy, broker


async def add_input(service: Service, proxy: LoginProxy, **settings: Any) -> None:
    await service.add_connection()
    kafka = {"servers": [proxy.server], "topics": [TOPIC], **settings}
    body = json.dumps({"name": "kafka", "kind": "kafka", "kafka": kafka}).encode()
    status, answer, *_ = await asgi_call(service.application.api, "POST", "/api/inputs", body)
    assert status == 201, answer


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512", None])
async def test_events_are_consumed_over_tls_after_a_login(
    tmp_path: Path, sandbox: Sandbox, mechanism: str | None
) -> None:
    """The certificate is verified by the authority of the input's settings, the login by its mechanism."""
    authority = certificate_of(tmp_path / "broker.pem")
    with secured_broker(tmp_path, mechanism, tmp_path / "broker.pem") as (proxy, _broker):
        client: dict[str, Any] = {"bootstrap.servers": proxy.server, "ssl.ca.pem": authority}
        login: dict[str, Any] = {"sasl_mechanism": mechanism, "user_name": USER_NAME, "password": PASSWORD}
        if mechanism is None:
            login, client["security.protocol"] = {}, "SSL"
        else:
            client |= {"security.protocol": "SASL_SSL", "sasl.mechanism": mechanism}
            client |= {"sasl.username": USER_NAME, "sasl.password": PASSWORD}
        _broker.create_topic(client=client)
        _broker.produce([json.dumps(batch_of_output(f"s{n}")).encode() for n in range(8)], client=client)
        before = proxy.logins
        async with running_service(tmp_path / "data", sandbox.url) as service:
            await add_input(service, proxy, ca_certificate=authority, **login)
            await service.until_delivered(sandbox, 8)
        assert proxy.logins > before or mechanism is None


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({"sasl_mechanism": "SCRAM-SHA-512", "user_name": USER_NAME, "password": "wrong"}, "authentication"),
        ({"sasl_mechanism": "PLAIN", "user_name": USER_NAME, "password": PASSWORD}, "mechanism"),
        ({}, "broker"),
    ],
)
async def test_login_that_fails_is_reported(
    tmp_path: Path, sandbox: Sandbox, settings: dict[str, Any], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    """A wrong password, another mechanism, and no login where one is asked for."""
    authority = certificate_of(tmp_path / "broker.pem")
    with secured_broker(tmp_path, "SCRAM-SHA-512", tmp_path / "broker.pem") as (proxy, _broker):
        async with running_service(tmp_path / "data", sandbox.url) as service:
            await add_input(service, proxy, ca_certificate=authority, **settings)

            async def is_reported() -> bool:
                status = await kafka_status(service)
                return bool(status["state"] == "failed" and problem in status["problem"].lower())

            await wait_until(is_reported, 20)
            status = json.dumps(await kafka_status(service))
    assert PASSWORD not in status + capsys.readouterr().err and proxy.logins == 0


@pytest.mark.parametrize(("address", "is_known"), [("127.0.0.1", False), ("192.0.2.7", True)])
async def test_certificate_that_cannot_be_verified_is_refused(
    tmp_path: Path, sandbox: Sandbox, address: str, is_known: bool
) -> None:
    """It is of an unknown authority, or of another address: nothing is sent, and no password."""
    authority = certificate_of(tmp_path / "broker.pem", address)
    with secured_broker(tmp_path, "PLAIN", tmp_path / "broker.pem") as (proxy, _broker):
        async with running_service(tmp_path / "data", sandbox.url) as service:
            login = {"sasl_mechanism": "PLAIN", "user_name": USER_NAME, "password": PASSWORD}
            await add_input(service, proxy, **login, **({"ca_certificate": authority} if is_known else {}))

            async def is_reported() -> bool:
                return "certificate verify failed" in (await kafka_status(service))["problem"]

            await wait_until(is_reported, 20)
    assert proxy.logins == 0
