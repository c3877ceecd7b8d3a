"""Checks of a Kafka input's settings, and the form in which they are stored."""

import re
from collections.abc import Sequence
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Final

from msgspec import structs

from tiktok_forwarder.inputs.settings import KafkaSettings

MAX_SERVERS: Final = 20
MAX_TOPICS: Final = 50
_MAX_GROUP_LENGTH: Final = 200
_MAX_LOGIN_LENGTH: Final = 1000
_MAX_PEM_LENGTH: Final = 256 * 1024
_MAX_SHOWN_LENGTH: Final = 100
_MAX_PORT: Final = 65_535
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
_SERVER: Final = re.compile(
    rf"(?P<host>{_LABEL}(?:\.{_LABEL})*\.?|\[[0-9a-f:.]+\]):(?P<port>[0-9]{{1,5}})", re.IGNORECASE | re.ASCII
)
# Kafka's own rule. A name cannot begin with a caret, which would make it a pattern of topics.
_TOPIC: Final = re.compile(r"[A-Za-z0-9._-]{1,249}", re.ASCII)
_LOCAL_HOST: Final = re.compile(r"[^.]+|localhost\.?", re.IGNORECASE)


def group_name_of(input_name: str) -> str:
    """Return the name of the consumer group of an input that does not name one."""
    return f"tiktok-forwarder-{input_name}"


def read_kafka(given: KafkaSettings, input_name: str) -> tuple[KafkaSettings, list[str]]:
    """Return the settings as they are stored, without the password, and every problem of theirs."""
    read = structs.replace(
        given,
        servers=tuple(dict.fromkeys(each.strip().lower() for each in given.servers)),
        topics=tuple(dict.fromkeys(each.strip() for each in given.topics)),
        group=given.group.strip() or group_name_of(input_name),
        password=None,
        ca_certificate=given.ca_certificate.strip(),
    )
    problems = [
        *_server_problems(read.servers),
        *_topic_problems(read.topics),
        *_group_problems(read.group),
        *_login_problems(read),
        *_certificate_problems(read),
    ]
    if read.security == "plaintext":
        problems += [
            f"security: {server} is not on this machine or a private network, so it must be tls"
            for server in read.servers
            if _is_server(server) and not _is_private(server)
        ]
    return read, problems


def password_problems(read: KafkaSettings, password: str | None) -> list[str]:
    """Return what is wrong with the password that is going to be stored for these settings; None: there is none."""
    if read.sasl_mechanism is None:
        return [] if password is None else ["password: is used with a sasl_mechanism only"]
    if not password:
        return ["password: is missing; sasl_mechanism needs one"]
    return _text_problems("password", password)


def _server_problems(servers: Sequence[str]) -> list[str]:
    if not servers:
        return ["servers: at least one is needed, such as kafka.example.com:9093"]
    if len(servers) > MAX_SERVERS:
        return [f"servers: at most {MAX_SERVERS} are allowed, not {len(servers):,}"]
    return [
        f"servers: must be a host and a port, such as kafka.example.com:9093, not {server[:_MAX_SHOWN_LENGTH]!r}"
        for server in servers
        if not _is_server(server)
    ]


def _is_server(server: str) -> bool:
    found = _SERVER.fullmatch(server)
    if found is None or not 1 <= int(found["port"]) <= _MAX_PORT:
        return False
    return not found["host"].startswith("[") or _address_of(found["host"]) is not None


def _topic_problems(topics: Sequence[str]) -> list[str]:
    if not topics:
        return ["topics: at least one is needed"]
    if len(topics) > MAX_TOPICS:
        return [f"topics: at most {MAX_TOPICS} are allowed, not {len(topics):,}"]
    return [
        f"topics: must be 1 to 249 letters, digits, dots, dashes or underscores, not {topic[:_MAX_SHOWN_LENGTH]!r}"
        for topic in topics
        if not _TOPIC.fullmatch(topic) or topic in (".", "..")
    ]


def _group_problems(group: str) -> list[str]:
    if len(group) <= _MAX_GROUP_LENGTH and group.isprintable():
        return []
    return [f"group: must be at most {_MAX_GROUP_LENGTH} printable characters"]


def _login_problems(read: KafkaSettings) -> list[str]:
    if read.sasl_mechanism is None:
        return ["user_name: is used with a sasl_mechanism only"] if read.user_name else []
    if not read.user_name:
        return ["user_name: is missing; sasl_mechanism needs one"]
    return _text_problems("user_name", read.user_name)


def _text_problems(field: str, value: str) -> list[str]:
    if len(value) <= _MAX_LOGIN_LENGTH and value.isprintable():
        return []
    return [f"{field}: must be at most {_MAX_LOGIN_LENGTH:,} printable characters"]


def _certificate_problems(read: KafkaSettings) -> list[str]:
    if not read.ca_certificate:
        return []
    if read.security != "tls":
        return ["ca_certificate: is used with security tls only"]
    # Importing it takes time that commands without a certificate do not need.
    from cryptography import x509  # noqa: PLC0415

    try:
        if len(read.ca_certificate) <= _MAX_PEM_LENGTH and x509.load_pem_x509_certificates(
            read.ca_certificate.encode()
        ):
            return []
    except ValueError:
        pass
    return ["ca_certificate: must be one or more certificates in PEM form, each from BEGIN to END CERTIFICATE"]


def _is_private(server: str) -> bool:
    """Return whether this is a loopback or private address, or a name that no public name server resolves."""
    host = server.rpartition(":")[0]
    address = _address_of(host)
    if address is not None:
        return address.is_loopback or address.is_private
    return bool(_LOCAL_HOST.fullmatch(host))


def _address_of(host: str) -> IPv4Address | IPv6Address | None:
    try:
        return ip_address(host.strip("[]"))
    except ValueError:
        return None
