"""The address of a PostgreSQL database: a URL, checked before it is used and shown without its passwords."""

import re
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qs, parse_qsl, unquote, unquote_plus, urlencode, urlsplit, urlunsplit

_SCHEMES: Final = ("postgresql", "postgres")
_HOST: Final = r"(?:\[[0-9A-Fa-f:.%]+\]|[^:@,\[\]]*)(?::\d{1,5})?"
_HOSTS: Final = re.compile(rf"{_HOST}(?:,{_HOST})*")
_START: Final = re.compile(r"([A-Za-z]+://)([^/?#]*)")
_USER_PASSWORD: Final = re.compile(r"(?<=://)([^:@/?#]*):([^@/?#]*)@")
_QUERY_PASSWORD: Final = re.compile(r"((?:^|[?&])(?:ssl)?password=)([^&]*)")
_FILES: Final = ("sslrootcert", "sslcert", "sslkey", "sslcrl", "passfile")


def is_address(text: str) -> bool:
    """Return whether the text is a PostgreSQL URL, with each part where it is expected.

    So no part of a password whose special characters are not encoded is taken for a host or a database.
    """
    try:
        parts = _parts_of(text)
        query = parse_qs(parts.query, keep_blank_values=True, strict_parsing=bool(parts.query))
    except ValueError:
        return False
    user, _, hosts = parts.netloc.rpartition("@")
    is_complete = bool(parts.netloc or parts.path.strip("/") or query) and not parts.fragment
    return (
        parts.scheme in _SCHEMES
        and text.startswith(f"{parts.scheme}://")
        and is_complete
        and not re.search(r"\s", text)
        and "@" not in user + parts.path
        and _HOSTS.fullmatch(hosts) is not None
    )


def without_passwords(address: str) -> str:
    return _QUERY_PASSWORD.sub(r"\1***", _USER_PASSWORD.sub(r"\1:***@", address))


def passwords_in(address: str) -> list[str]:
    """Return the passwords in the address, as they are used and as they are written."""
    in_query = [found[1] for found in _QUERY_PASSWORD.findall(address)]
    written = [found[1] for found in _USER_PASSWORD.findall(address)] + in_query
    used = [unquote(each) for each in written] + [unquote_plus(each) for each in in_query]
    return [password for password in dict.fromkeys([*used, *written]) if password]


def hosts_in(address: str) -> str:
    """Return the hosts of the address as they are written; empty if the environment or a service file names them."""
    parts = _parts_of(address)
    return parts.netloc.rpartition("@")[2] or parse_qs(parts.query).get("host", [""])[-1]


def addresses_of_servers(address: str) -> list[str]:
    """Return the address of each server, in the order of the hosts; the address itself if it names none or one."""
    parts = _parts_of(address)
    user, at, hosts = parts.netloc.rpartition("@")
    if hosts:
        return [urlunsplit(parts._replace(netloc=user + at + host)) for host in hosts.split(",")]
    query = dict(parse_qsl(parts.query, keep_blank_values=True))
    named = query.get("host", "").split(",")
    ports = query.get("port", "").split(",")
    if len(named) == 1 or len(ports) not in (1, len(named)):
        return [address]
    ports = ports if len(ports) == len(named) else ports * len(named)
    start = address.partition("?")[0]
    return [
        f"{start}?{urlencode(query | {'host': host} | ({'port': port} if port else {}))}"
        for host, port in zip(named, ports, strict=True)
    ]


def missing_files(address: str) -> list[str]:
    """Return one sentence for each file of the address that cannot be found."""
    query = parse_qs(_parts_of(address).query)
    named = [(name, query[name][-1]) for name in _FILES if name in query]
    return [f"store: {name}: there is no file {file}" for name, file in named if not Path(file).is_file()]


def _parts_of(address: str) -> SplitResult:
    """Return the parts of a URL with any number of hosts; `urlsplit` refuses several if one of them is in brackets."""
    start = _START.match(address)
    if start is None:
        return urlsplit(address)
    return urlsplit(start[1] + address[start.end() :])._replace(netloc=start[2])
