"""A login in front of a broker: ends TLS and checks SASL as Kafka's protocol has it, then passes everything on.

Tansu's own TLS and logins cannot be set up: its two options for a certificate exclude each other, and users can only be
created where no login is asked for.
"""

import asyncio
import base64
import contextlib
import hashlib
import hmac
import secrets
import ssl
import struct
import threading
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.ports import free_port

API_VERSIONS, SASL_HANDSHAKE, SASL_AUTHENTICATE = 18, 17, 36
UNSUPPORTED_MECHANISM, FAILED = 33, 58
ITERATIONS = 4096


class LoginRefused(Exception):
    pass


class LoginProxy(threading.Thread):
    """Listens on `port`. Start the broker with this port as the advertised one, then call `pass_to` with its own."""

    def __init__(self, mechanism: str | None, user_name: str, password: str, certificate: Path | None) -> None:
        super().__init__(daemon=True)
        self.port = free_port()
        self.server = f"127.0.0.1:{self.port}"
        self.logins = 0
        self._mechanism = mechanism
        self._user_name = user_name
        self._password = password
        self._tls = None
        if certificate is not None:
            self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            self._tls.load_cert_chain(certificate)
        self._broker_port = 0
        self._is_ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopped: asyncio.Event | None = None

    def pass_to(self, broker_port: int) -> None:
        self._broker_port = broker_port

    def run(self) -> None:
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._on_client, "127.0.0.1", self.port, ssl=self._tls)
        self._is_ready.set()
        await self._stopped.wait()
        server.close()

    async def _on_client(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, asyncio.IncompleteReadError, LoginRefused):
            to_broker = await asyncio.open_connection("127.0.0.1", self._broker_port)
            try:
                if self._mechanism is not None:
                    await self._log_in(reader, writer, to_broker)
                    self.logins += 1
                await asyncio.gather(_copy(reader, to_broker[1]), _copy(to_broker[0], writer))
            finally:
                to_broker[1].close()
                writer.close()

    async def _log_in(
        self,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        to_broker: tuple[asyncio.StreamReader, asyncio.StreamWriter],
    ) -> None:
        """Answer requests until the client has logged in. Raises `LoginRefused`."""
        mechanism = ""
        scram: Scram | None = None
        while True:
            frame = await _frame(reader)
            api_key, version, correlation = struct.unpack_from(">hhi", frame)
            body = frame[10 + max(0, struct.unpack_from(">h", frame, 8)[0]) :]
            if api_key == API_VERSIONS:
                to_broker[1].write(struct.pack(">i", len(frame)) + frame)
                answer = await _frame(to_broker[0])
                writer.write(struct.pack(">i", len(answer)) + answer)
                continue
            if api_key == SASL_HANDSHAKE:
                mechanism = body[2:].decode()
                code = 0 if mechanism == self._mechanism else UNSUPPORTED_MECHANISM
                offered = (self._mechanism or "").encode()
                _answer(writer, correlation, struct.pack(">hih", code, 1, len(offered)) + offered)
                continue
            if api_key != SASL_AUTHENTICATE or mechanism != self._mechanism:
                raise LoginRefused
            sent = body[4:]
            try:
                if mechanism == "PLAIN":
                    if sent != f"\0{self._user_name}\0{self._password}".encode():
                        raise LoginRefused
                    reply, is_done = b"", True
                elif scram is None:
                    scram = Scram(mechanism, self._user_name, self._password, sent.decode())
                    reply, is_done = scram.first.encode(), False
                else:
                    reply, is_done = scram.final(sent.decode()).encode(), True
            except LoginRefused:
                message = b"Authentication failed: invalid credentials"
                refused = struct.pack(">hh", FAILED, len(message)) + message + struct.pack(">i", 0)
                _answer(writer, correlation, refused + (struct.pack(">q", 0) if version else b""))
                await writer.drain()
                raise
            accepted = struct.pack(">hhi", 0, -1, len(reply)) + reply
            _answer(writer, correlation, accepted + (struct.pack(">q", 0) if version else b""))
            if is_done:
                return

    def __enter__(self) -> Self:
        self.start()
        assert self._is_ready.wait(10)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if self._loop is not None and self._stopped is not None:
            self._loop.call_soon_threadsafe(self._stopped.set)
        self.join(10)


class Scram:
    """The server's side of SCRAM (RFC 5802) for one login."""

    def __init__(self, mechanism: str, user_name: str, password: str, client_first: str) -> None:
        self._hash = {"SCRAM-SHA-256": "sha256", "SCRAM-SHA-512": "sha512"}[mechanism]
        self._bare = client_first.partition(",,")[2]
        fields = dict(each.split("=", 1) for each in self._bare.split(","))
        if fields["n"] != user_name:
            raise LoginRefused
        salt = secrets.token_bytes(16)
        self._nonce = fields["r"] + secrets.token_hex(8)
        self._salted = hashlib.pbkdf2_hmac(self._hash, password.encode(), salt, ITERATIONS)
        self.first = f"r={self._nonce},s={base64.b64encode(salt).decode()},i={ITERATIONS}"

    def final(self, client_final: str) -> str:
        """Return the server's last message. Raises `LoginRefused` if the proof is not of the password."""
        without_proof, _, proof = client_final.rpartition(",p=")
        if f"r={self._nonce}" not in without_proof.split(","):
            raise LoginRefused
        signed = f"{self._bare},{self.first},{without_proof}".encode()
        stored_key = hashlib.new(self._hash, self._mac(self._salted, b"Client Key")).digest()
        signature = self._mac(stored_key, signed)
        client_key = bytes(a ^ b for a, b in zip(base64.b64decode(proof), signature, strict=True))
        if not hmac.compare_digest(hashlib.new(self._hash, client_key).digest(), stored_key):
            raise LoginRefused
        return f"v={base64.b64encode(self._mac(self._mac(self._salted, b'Server Key'), signed)).decode()}"

    def _mac(self, key: bytes, text: bytes) -> bytes:
        return hmac.digest(key, text, self._hash)


async def _frame(reader: asyncio.StreamReader) -> bytes:
    (size,) = struct.unpack(">i", await reader.readexactly(4))
    return await reader.readexactly(size)


def _answer(writer: asyncio.StreamWriter, correlation: int, body: bytes) -> None:
    writer.write(struct.pack(">ii", 4 + len(body), correlation) + body)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
    writer.close()
