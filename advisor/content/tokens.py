"""Short texts that stand for what they were made of: the same content gives the same text."""

from __future__ import annotations

import hashlib
import sys

THIS_PYTHON = f"py{sys.version_info.major}.{sys.version_info.minor}:"
"""What a digest begins with that was made of bytecode: it means nothing to another Python."""


def combine(*texts: str) -> str:
    """One digest of several texts, digests among them, in their order.

    It begins with `THIS_PYTHON` where one of them does.
    """
    digest = hashlib.sha256()
    is_of_this_python = False
    for text in texts:
        content = text.encode(errors="surrogatepass")
        digest.update(b"%d:" % len(content))  # so that ("ab", "c") is not ("a", "bc")
        digest.update(content)
        is_of_this_python = is_of_this_python or text.startswith(THIS_PYTHON)
    return (THIS_PYTHON if is_of_this_python else "") + digest.hexdigest()


def is_other(before: str, now: str) -> bool:
    """Whether two digests say that the content is another one.

    A digest of bytecode says nothing beside one of source, or of another Python's bytecode.
    """
    return before != now and _python_of(before) == _python_of(now)


def _python_of(digest: str) -> str:
    """`py3.11` for a digest of that Python's bytecode; empty for one that all Pythons make."""
    python, colon, _ = digest.rpartition(":")
    return python if colon else ""
