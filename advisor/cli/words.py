"""The words that are typed, checked before any command reads them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from advisor.errors import InputError
from advisor.values import is_utf8, shown


def check_words(words: Sequence[str]) -> None:
    """Raise `InputError` for a word that is empty, or that no file of text can hold."""
    for option, word in with_options(words):
        where = f"{option} {word!r}".strip()
        if not word.strip():
            raise InputError(f"{where} is empty; give a value, or leave it out.")
        if not is_utf8(word):
            raise InputError(
                f"{where} is not in UTF-8, in which studies are kept; rename the file, or give a "
                "link to it (ln -s)."
            )
        if not word.isprintable() and option in ("--name", "--storage"):
            raise InputError(f"{option} {shown(word)} has signs that cannot be printed.")


def with_options(words: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Each word with the option that it follows; empty where there is none."""
    option = ""
    for word in words:
        name, equals, value = word.partition("=")
        if not word.startswith("-"):
            yield option, word
        elif equals and name.startswith("--"):
            yield name, value
        option = word if word.startswith("-") else ""
