"""The toolkit's exceptions. Each message is written for a person and says what to do."""


class EmoError(Exception):
    """Anything a user can mend; the command line and the app show the message as it is."""


class MediaError(EmoError):
    """A file that cannot be read, or that passes a cap."""


class CheckpointError(EmoError):
    """A checkpoint, or a part of one, that is missing, broken or out of reach."""
