"""Why a batch does not begin, or does not end."""

from ..errors import EmoError


class BatchRefused(EmoError):
    """Nothing was begun: the request is wrong, or its rows would mix with those of another request."""


class BatchStopped(EmoError):
    """Stopped half-way with every finished row kept; the same request goes on."""
