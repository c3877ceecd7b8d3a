"""Users whom an OIDC provider has identified. They are not stored, except in their sessions."""

from hashlib import sha256
from typing import Final

import msgspec
from msgspec import Struct

from tiktok_forwarder.access.users import Role, User

MAX_NAME_LENGTH: Final = 63
_ID_LENGTH: Final = 16


class ProviderUser(Struct, frozen=True):
    """A user as identified at a login. Issuer and subject are the identity; the name is only shown.

    `policy` is the digest of the settings by which the role was given.
    """

    policy: str
    issuer: str
    subject: str
    name: str
    role: Role

    def __repr__(self) -> str:
        return f"ProviderUser({self.user.id})"

    @property
    def user(self) -> User:
        digest = sha256(msgspec.json.encode([self.issuer, self.subject])).hexdigest()
        return _IdentifiedUser(f"op_{digest[:_ID_LENGTH]}", self.name, self.role, 0, has_password=False)


class _IdentifiedUser(User, frozen=True):
    @property
    def actor(self) -> str:
        # Names at a provider may be alike, and some may be chosen by the user: the ID tells them apart.
        return f"OIDC user {self.name} ({self.id})"

    @property
    def is_local(self) -> bool:
        return False
