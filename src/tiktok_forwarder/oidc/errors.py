"""Why a login cannot be trusted or made. The texts are short reasons, with nothing that the provider wrote."""


class ProviderUnreachable(Exception):
    """The provider gave no usable answer."""


class AnswerRefused(Exception):
    """An answer of the provider does not prove who logged in."""
