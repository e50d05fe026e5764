"""Errors that a user can act on: what was expected, what was received, what to do."""

import errno


class MlptrainError(Exception):
    """A problem that is shown as one readable block, never as a traceback.

    Attributes:
        expected: what would have been correct.
        received: what was there instead.
        action: what to type or to change next.
    """

    exit_code = 1
    title = "Error"

    def __init__(self, expected: str, received: str, action: str) -> None:
        super().__init__(expected, received, action)
        self.expected = expected
        self.received = received
        self.action = action

    def __str__(self) -> str:
        return (
            f"{self.title}\n"
            f"  expected: {self.expected}\n"
            f"  received: {self.received or 'an empty text'}\n"
            f"  to do:    {self.action}"
        )


class ConfigError(MlptrainError):
    """The command line or the config is wrong; nothing was started."""

    exit_code = 2
    title = "Config error"


class UsageError(MlptrainError):
    """A subcommand was called in a wrong way."""

    exit_code = 2
    title = "Usage error"


class UnexpectedError(MlptrainError):
    """An exception that nobody foresaw: a bug in mlptrain."""

    title = "Unexpected error"

    def __init__(self, error: Exception) -> None:
        super().__init__(
            "no such error. This is a bug in mlptrain.",
            f"{type(error).__name__}: {error}",
            "set MLPTRAIN_DEBUG=1 to see the traceback, and report it",
        )


class DataError(MlptrainError):
    """The images could not be found, fetched or verified."""

    title = "Data error"


class ImageSourceError(DataError):
    """The user named a place without images that can be used; nothing was started."""

    exit_code = 2


class TrainingError(MlptrainError):
    """Training started and could not continue."""

    title = "Training failed"


class RunFolderError(MlptrainError):
    """A run folder is missing, damaged, or not what the command needs."""

    exit_code = 2
    title = "Run folder error"


def is_full_disk(error: BaseException) -> bool:
    """Return whether a disk had no room, or the user's quota on it was used up."""
    return isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)


class FullDiskError(TrainingError):
    """A disk is full; what was written before is complete."""

    title = "No space left"

    def __init__(self, reason: str, place: object, command: str = "the same command again") -> None:
        super().__init__(
            f"free space on the disk of {place}",
            f"no free space ({reason})",
            f"free some, then: {command}",
        )


def printable(text: object, keep: str = "") -> str:
    r"""Return the text with control codes spelled out (`\x1b`), harmless for the terminal.

    Args:
        text: anything; its str() is shown.
        keep: control characters to let through, such as a line break.
    """
    content = str(text)
    if content.isprintable():
        return content
    return "".join(
        c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in content
    )


def reason_of(error: Exception) -> str:
    """Return one line for people; an untrusted file or server may have put anything into it."""
    reason = getattr(error, "strerror", None) or str(error).strip()
    if isinstance(error, UnicodeDecodeError):
        reason = "not UTF-8 text"
    if (mark := getattr(error, "problem_mark", None)) is not None:  # YAML
        reason = f"line {mark.line + 1}, column {mark.column + 1}: {getattr(error, 'problem', '')}"
        reason = reason.replace("'<stream end>'", "the end of the file")
    return printable((reason.splitlines() or [type(error).__name__])[0])[:300]
