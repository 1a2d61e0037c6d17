"""Failures as their leaves: tasks that fail together arrive as a group, and each leaf counts."""

from collections.abc import Iterator

import trio


def leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield the errors in a group, however deep; an error that is no group is its own leaf."""
    if isinstance(error, BaseExceptionGroup):
        for part in error.exceptions:
            yield from leaves(part)
    else:
        yield error


def without_cancellation(error: BaseException) -> BaseException | None:
    """Return what failed, without the tasks that were merely cancelled for it, out of groups of one."""
    if isinstance(error, trio.Cancelled):
        return None
    rest: BaseException | None = error
    if isinstance(error, BaseExceptionGroup) and first_of(error, (trio.Cancelled,)) is not None:
        _, rest = error.split(trio.Cancelled)
    while isinstance(rest, BaseExceptionGroup) and len(rest.exceptions) == 1:
        rest = rest.exceptions[0]
    return rest


def all_are(error: BaseException, kinds: tuple[type[BaseException], ...]) -> bool:
    """Tell whether every leaf is one of ``kinds``."""
    return bool(kinds) and all(isinstance(leaf, kinds) for leaf in leaves(error))


def first_of(error: BaseException, kinds: tuple[type[BaseException], ...]) -> BaseException | None:
    """Return the first leaf that is one of ``kinds``, or None."""
    return next((leaf for leaf in leaves(error) if kinds and isinstance(leaf, kinds)), None)


def describe_failure(error: BaseException) -> str:
    """Return the error's type and message; of a group, those of its leaves."""
    return "; ".join(f"{type(leaf).__name__}: {leaf}" for leaf in leaves(error))
