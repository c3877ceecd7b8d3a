"""What is handed to librdkafka for an input: security as mParticle documents it, and offsets by this service's rule."""

from typing import Any

import pytest
from confluent_kafka import Consumer

from tiktok_forwarder.inputs.settings import KafkaSettings
from tiktok_forwarder.kafka.client_settings import client_settings

PLAIN = KafkaSettings(("a.example.com:9093", "b.example.com:9093"), ("t",), group="g")


def settings(**members: Any) -> dict[str, Any]:
    return client_settings(KafkaSettings(PLAIN.servers, PLAIN.topics, group="g", **members), "sesame-of-the-test")


def test_offsets_are_never_committed_by_the_library() -> None:
    """It would commit what was handed over, and not what is stored."""
    made = settings()
    assert made["enable.auto.commit"] is made["enable.auto.offset.store"] is False
    assert made["auto.offset.reset"] == "earliest" and made["group.id"] == "g"
    assert made["bootstrap.servers"] == "a.example.com:9093,b.example.com:9093"


@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_login_is_sent_by_its_mechanism_over_tls(mechanism: str) -> None:
    """These three are what mParticle's Kafka output can use too."""
    made = settings(sasl_mechanism=mechanism, user_name="bob")
    assert (made["security.protocol"], made["sasl.mechanism"]) == ("SASL_SSL", mechanism)
    assert (made["sasl.username"], made["sasl.password"]) == ("bob", "sesame-of-the-test")
    Consumer(made).close()


@pytest.mark.parametrize(
    ("members", "protocol", "authorities"),
    [
        ({}, "SSL", ("ssl.ca.location", "probe")),
        ({"ca_certificate": "PEM"}, "SSL", ("ssl.ca.pem", "PEM")),
        ({"security": "plaintext"}, "PLAINTEXT", None),
        ({"security": "plaintext", "sasl_mechanism": "PLAIN", "user_name": "bob"}, "SASL_PLAINTEXT", None),
    ],
)
def test_encryption_is_chosen_with_its_authorities(
    members: dict[str, Any], protocol: str, authorities: tuple[str, str] | None
) -> None:
    """Certificates and host names are verified unless nothing is encrypted; no setting turns that off."""
    made = settings(**members)
    assert made["security.protocol"] == protocol
    assert [(key, value) for key, value in made.items() if key.startswith("ssl.")] == (
        [authorities] if authorities else []
    )


def test_password_is_given_with_a_login_only() -> None:
    """A broker that asks for none must not get one."""
    assert not [key for key in settings() if key.startswith("sasl.")]
