"""What can go wrong, as values a command turns into one message and an exit code."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable
from pathlib import Path

MOST_LETTERS = 2000
"""Letters that are kept of a text by others, such as that of an error; the rest is cut."""
LONGEST_WORD = 80
"""Letters of a user's text, such as a cell of a table, that a sentence quotes."""
LEFT_OUT = "_advisor_left_out"
"""Attribute of a module of which only the definitions are loaded: what was left out, by name, as
`{name: "line 5 (why)"}`.
"""


class AdvisorError(Exception):
    """Base of every error that advisor raises on purpose; its text names who, where, what was given
    and what to do next.

    Example:
        >>> import advisor
        >>> try:
        ...     advisor.Study("", task=None)
        ... except advisor.AdvisorError as problem:
        ...     print(problem.exit_code)
        2
    """

    exit_code = 1


class InputError(AdvisorError):
    """The user's input is at fault: a path, a name, a model that does not fit the data, an unknown
    option.

    Example:
        >>> import advisor
        >>> advisor.Task("net.py:Net", data="people.csv")
        Traceback (most recent call last):
        advisor.errors.InputError: Task(build=…) needs a class or a function ...
    """

    exit_code = 2


class DataError(InputError):
    """Rows that could be read when the study was opened cannot be read now: their files are gone or
    damaged.
    """


class PluginError(InputError):
    """A plugin breaks its contract: it cannot be imported, a hook is misspelt, or two plugins claim
    one name.

    Example:
        >>> import advisor, torch
        >>> from pathlib import Path
        >>> _ = Path("broken.py").write_text("import a_module_that_is_not_there")
        >>> data = (torch.randn(60, 4), torch.randn(60))
        >>> task = advisor.Task(lambda: torch.nn.Linear(4, 1), data)
        >>> advisor.diagnose(advisor.Study("small", task), plugins=["broken.py"])
        Traceback (most recent call last):
        advisor.errors.PluginError: ...broken.py...
    """


class SearchError(AdvisorError):
    """The search itself failed: no trial ended with a score.

    Example:
        >>> import advisor, torch
        >>> from torch import nn
        >>> def net():
        ...     return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))
        >>> data = (torch.randn(60, 4), torch.arange(60) % 3)
        >>> task = advisor.Task(net, data, loss=lambda output, target: output.sum() * float("nan"))
        >>> advisor.tune(advisor.Study("small", task, trials=1, epochs=1))
        Traceback (most recent call last):
        advisor.errors.SearchError: Study 'small': ...
    """


class MachineError(AdvisorError):
    """The machine is at fault, not the study: a full disk, a folder that is gone, workers that are
    killed, a database that does not answer.

    Nothing that was written is lost, and nothing is booked as a score. The same command goes on
    where it stopped.

    Example:
        >>> import advisor
        >>> issubclass(advisor.MachineError, advisor.InputError)
        False
        >>> advisor.MachineError.exit_code
        1
    """


def short(text: object) -> str:
    """A text by others as one line of at most `LONGEST_WORD` letters, for a sentence."""
    line = one_line(str(text))
    return line if len(line) <= LONGEST_WORD else f"{line[: LONGEST_WORD - 1]}…"


def listing(names: Iterable[object], limit: int = 12) -> str:
    """`a, b, c` for an error message, cut after `limit` names; each long one is cut, too."""
    words = [word if len(word) <= LONGEST_WORD else short(word) for word in map(str, names)]
    more = f", … ({len(words)} in all)" if len(words) > limit else ""
    return ", ".join(words[:limit]) + more


def near(name: str, names: Iterable[str]) -> str:
    """` Did you mean 'x'?` when one of `names` looks like `name`, else the empty text."""
    candidates = list(names)
    similar = [other for other in candidates if other.casefold() == name.casefold()]
    if not similar:
        similar = difflib.get_close_matches(name, candidates, n=1, cutoff=0.6)
    return f" Did you mean {similar[0]!r}?" if similar else ""


def near_files(path: Path) -> str:
    """` Did you mean …?` with a file of the same folder that has a similar name."""
    if not path.parent.is_dir():
        return ""
    return near(path.name, (file.name for file in path.parent.iterdir()))


def explain(problem: BaseException) -> str:
    """An exception as `ValueError: text` on one line, with what `left_out_of` adds."""
    kind = type(problem).__name__
    text = one_line(text_of(problem)).rstrip(".")
    sentence = f"{kind}: {text}" if text else kind
    return sentence + left_out_of(problem)


def text_of(problem: BaseException) -> str:
    """The text of an exception, also of one whose text cannot be asked for."""
    try:
        return str(problem)
    except Exception:  # a class of the user's own may raise anything here
        return "(its text cannot be read)"


def one_line(text: str) -> str:
    """A text by others on one line, in letters that every database and terminal takes.

    It is cut after `MOST_LETTERS` letters. Control characters and halves of surrogate pairs stand
    as Python writes them.
    """
    # A text may have megabytes, so it is cut before it is looked at.
    words = str.split(text[: 2 * MOST_LETTERS])
    line = visible(" ".join(words))
    is_cut = len(line) > MOST_LETTERS or len(text) > 2 * MOST_LETTERS
    return f"{line[:MOST_LETTERS]}…" if is_cut else line


def visible(text: str) -> str:
    """A text in which each letter of `OBEYED` stands as Python writes it, by its number."""
    return OBEYED.sub(lambda found: ascii(found.group())[1:-1], text)


OBEYED = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)
"""Letters that a terminal, a page or a database obeys or refuses instead of showing them: control
characters but for the tab and the end of a line, what turns the direction of writing round, and
halves of surrogate pairs.
"""


def left_out_of(problem: BaseException) -> str:
    """` ('device' is made at main.py:5, which --definitions-only left out)` where that is why a
    name is missing, else the empty text.
    """
    name = getattr(problem, "name", None) if isinstance(problem, NameError) else None
    if name is None:
        return ""
    # The name may be missing in any module that the call went through.
    traceback = problem.__traceback__
    while traceback is not None:
        left_out = traceback.tb_frame.f_globals.get(LEFT_OUT, {})
        if name in left_out:
            return f" ({name!r} {left_out[name]})"
        traceback = traceback.tb_next
    return ""
