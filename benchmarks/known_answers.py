"""Studies whose right answer is known, through the whole of advisor: is it given?

    python benchmarks/known_answers.py [--seed 0 1] [--storage FOLDER] [--schedule linear]
        [--before OTHER/bin/python] [CASE …]

The cases are the study files of studies/known_answers; each says in EXPECTED what a correct advisor
must answer:

    verdict    the verdicts that are right
    choices    by slot, the techniques that are right where a change is recommended
    gain       the range of the true gain, which the printed interval must not exclude
    finding    a kind of finding that must be reported
    absent     a kind of finding that must not be reported
    identical  True where the techniques are the model itself under another name: the gain is 0, or
               the answer says that they are
    fixes      what the truth depends on beside what `Study` and `Task` say
    fitted     what was expected before an answer was seen; not there where nothing was changed
    source     where the truth comes from

Where nothing helps, `keep` is right, and so is an `undecided` that names no change.

Each case is asked by `advisor tune`, whose seconds on the clock and on processors are added up.
`--before` asks each case by another installation first: its lines begin with `before`, and only
ours are judged.
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

FOLDER = Path(__file__).parents[1] / "studies" / "known_answers"
"""Where the cases are."""
KEYS = {
    "verdict",
    "choices",
    "gain",
    "finding",
    "absent",
    "identical",
    "fixes",
    "fitted",
    "source",
}
"""What `EXPECTED` may say."""
NULL = ["keep"]
"""The verdict that is expected where nothing helps."""
WORKERS = 2
"""Processes that train."""
COLUMNS = "{:<18} {:>4} {:<9} {:<35} {:<22} {:>4} {}"
"""A line of the table, 98 columns wide."""


@dataclass(frozen=True)
class Case:
    """A study file, what is to be expected of it, and the plugins that it asks for."""

    path: Path
    about: str
    expected: Mapping[str, Any]
    plugins: tuple[str, ...]


def case(name: str) -> Case:
    """A case by name."""
    path = FOLDER / f"{name}.py"
    sys.path.insert(0, str(FOLDER))
    try:
        names = runpy.run_path(str(path))
    finally:
        sys.path.remove(str(FOLDER))
    plugins = tuple(str(FOLDER / plugin) for plugin in names.get("PLUGINS", ()))
    return Case(path, " ".join(names["__doc__"].split()), names["EXPECTED"], plugins)


def names() -> list[str]:
    """All cases: the files that hold a study."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if "advisor.Study(" in path.read_text())


def ask(
    asked: Case, seed: int, storage: str, workers: int = WORKERS, schedule: str | None = None
) -> dict[str, Any]:
    """What advisor answers, as its JSON says it; with another schedule than the case's, if any."""
    import advisor  # here, so that --help and a wrong name are answered at once
    from advisor.work.study_ref import StudyRef

    changes = json.dumps({"seed": seed, "name": f"{asked.path.stem}-{seed}"})
    ref = StudyRef(file=str(asked.path), changes=changes, plugins=asked.plugins)
    if schedule is not None:
        study = ref.load()
        study = replace(study, task=replace(study.task, scheduler=schedule))
        ref = replace(StudyRef.of(study, asked.plugins), home=str(FOLDER))
    recommendation = advisor.tune(ref, storage=storage, workers=workers)
    answer: dict[str, Any] = json.loads(recommendation.to_json())
    return answer


def words_of(asked: Case, seed: int, storage: Path) -> list[str]:
    """The command that asks a case as `ask` does."""
    plugins = [word for plugin in asked.plugins for word in ("--plugin", plugin)]
    words = ["tune", str(asked.path), "--seed", str(seed), "--name", f"{asked.path.stem}-{seed}"]
    words += ["--storage", f"sqlite:///{storage}", "--workers", str(WORKERS), "--quiet", "--json"]
    return words + plugins


def wrongs(expected: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an answer, one sentence each."""
    verdict, gain = answer["verdict"], answer["gain"]
    if verdict not in expected["verdict"] and not keeps_the_model(expected, answer):
        yield f"the verdict is {verdict}, not {' or '.join(expected['verdict'])}"
    elif verdict == "change":
        for slot, right in expected.get("choices", {}).items():
            choice = answer["choices"].get(slot)
            if choice not in right:
                yield f"{slot} is {choice}, not {' or '.join(right)}"

    low, high = expected.get("gain", (-float("inf"), float("inf")))
    if gain["high"] < low or gain["low"] > high:
        interval = f"[{gain['low']:+.4g}, {gain['high']:+.4g}]"
        yield f"the interval {interval} excludes the true gain, in [{low:g}, {high:g}]"

    kinds = {finding["kind"] for finding in answer["findings"]}
    if "finding" in expected and expected["finding"] not in kinds:
        reported = ", ".join(sorted(kinds)) or "none"
        yield f"{expected['finding']} is not among the findings ({reported})"
    if expected.get("absent") in kinds:
        yield f"{expected['absent']} is found, and is not there"

    reasons = [other["why_not"] for other in answer["alternatives"]]
    says_so = gain.get("identical") or any("identical" in why_not for why_not in reasons)
    if expected.get("identical") and gain["mean"] and not says_so:
        yield (
            f"the techniques are the model itself, and the gain is {gain['mean']:+.4g}; "
            "nothing says that they are identical"
        )


def keeps_the_model(expected: Mapping[str, Any], answer: Mapping[str, Any]) -> bool:
    """Whether nothing helps, and the answer is undecided and names no change."""
    names_none = set(answer["choices"].values()) <= {"keep"}
    return expected["verdict"] == NULL and answer["verdict"] == "undecided" and names_none


def row(
    name: str,
    seed: int,
    expected: Mapping[str, Any],
    answer: Mapping[str, Any],
    seconds: float,
    right: bool,
) -> str:
    """A line of the table."""
    changed = [technique for technique in answer["choices"].values() if technique != "keep"]
    gain, interval = answer["gain"], ""
    if gain["mean"] is not None:
        interval = f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
    return COLUMNS.format(
        name[:18],
        seed,
        "/".join(expected["verdict"])[:9],
        " ".join([answer["verdict"], *changed])[:35],
        interval,
        f"{seconds:.0f}",
        "✓" if right else "✗",
    )


@dataclass(frozen=True)
class Judged:
    """How a case was answered.

    Attributes:
        expected: the verdicts that are right, and what else `EXPECTED` says.
        verdict: what was answered; `raised` where nothing was.
        right: whether nothing about it is wrong.
        pairs: that measured.
        seconds, processor: that it took, on the clock and on processors.
    """

    expected: Mapping[str, Any]
    verdict: str
    right: bool
    pairs: int = 0
    seconds: float = 0.0
    processor: float = 0.0


def judge(
    name: str,
    seed: int,
    folder: Path,
    schedule: str | None = None,
    python: Path | None = None,
) -> Judged:
    """Ask a case with a seed and print its line, and below it what is wrong.

    `python` is that of another installation, which is asked in place of this one.
    """
    from clocked import take  # it is beside this file, which tests load from elsewhere

    asked, title = case(name), name if python is None else f"before: {name}"
    storage = folder / f"known_answers{'' if python is None else '_before'}.db"
    own = Path(python or sys.executable)
    words = [own.with_name("advisor"), *words_of(asked, seed, storage)]
    if schedule is not None:  # which no command gives to a study of a file
        words = [own, __file__, name, "--seed", str(seed), "--answer", storage]
        words += ["--schedule", schedule]
    try:
        took = take(words)
    except SystemExit as problem:  # one case that breaks is no reason to skip the others
        print(COLUMNS.format(title[:18], seed, "", "raised", "", "", "✗"))
        print(problem)
        return Judged(asked.expected, "raised", False)
    answer = json.loads(took.out)
    sentences = list(wrongs(asked.expected, answer))
    print(row(title, seed, asked.expected, answer, took.clock, not sentences))
    for sentence in sentences:
        print(f"  {sentence}")
    sys.stdout.flush()
    right, pairs = not sentences, answer["gain"]["seeds"]
    return Judged(asked.expected, answer["verdict"], right, pairs, took.clock, took.processor)


def summary(judged: list[Judged]) -> Iterator[str]:
    """The share of right answers and of each verdict: where nothing helps, elsewhere, and of cases
    that are fitted.
    """
    fitted = [each for each in judged if "fitted" in each.expected]
    whole = [each for each in judged if "fitted" not in each.expected]
    blocks = {
        "nothing helps": [each for each in whole if each.expected["verdict"] == NULL],
        "something helps": [each for each in whole if each.expected["verdict"] != NULL],
        "fitted": fitted,
    }
    for title, block in blocks.items():
        if block:
            shares = ", ".join(
                f"{verdict} {count}"
                for verdict, count in sorted(Counter(each.verdict for each in block).items())
            )
            right = sum(each.right for each in block)
            pairs = sum(each.pairs for each in block) / len(block)
            yield f"{title}: {right} of {len(block)} right ({shares}), {pairs:.1f} pairs each"


def times(judged: list[Judged], before: list[Judged]) -> str:
    """Seconds of all cases, and their ratio to those of the other installation."""
    words = []
    for kind, title in (("seconds", "s on the clock"), ("processor", "s on processors")):
        own, others = (sum(getattr(each, kind) for each in block) for block in (judged, before))
        beside = f" (before {others:.0f}, ratio {own / others:.2f})" if others else ""
        words.append(f"{own:.0f} {title}{beside}")
    return ", ".join(words)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help="names of study files; all if none is given"
    )
    parser.add_argument("--seed", nargs="+", type=int, default=[0], help="seeds of the studies")
    parser.add_argument(
        "--storage", type=Path, help="a folder for the database; a temporary one if not given"
    )
    parser.add_argument(
        "--schedule", help="train all arms by this schedule; that of the study files if not given"
    )
    parser.add_argument(
        "--before", type=Path, help="the python of another installation, which is asked beside"
    )
    parser.add_argument("--answer", metavar="DATABASE", help=argparse.SUPPRESS)
    options = parser.parse_args()
    chosen = options.cases or names()
    if unknown := set(chosen) - set(names()):
        parser.error(f"no case {', '.join(sorted(unknown))}; the cases are {', '.join(names())}")
    if options.answer is not None:  # the fresh process of a case
        storage = f"sqlite:///{options.answer}"
        answer = ask(case(chosen[0]), options.seed[0], storage, schedule=options.schedule)
        print(json.dumps(answer))
        return
    judge_all(chosen, options)


def judge_all(chosen: list[str], options: argparse.Namespace) -> None:
    """Print the table of these cases; exits with 1 where an answer is wrong."""
    print(COLUMNS.format("case", "seed", "expected", "answer", "gain [95 %]", "s", ""))
    judged: list[Judged] = []
    before: list[Judged] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.storage or Path(temporary)).resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for name, seed in ((name, seed) for name in chosen for seed in options.seed):
            if options.before is not None:
                before.append(judge(name, seed, folder, options.schedule, options.before))
            judged.append(judge(name, seed, folder, options.schedule))
    right = sum(each.right for each in judged)
    print(f"\n{right} of {len(judged)} right in {times(judged, before)}")
    for sentence in summary(judged):
        print(sentence)
    sys.exit(0 if right == len(judged) else 1)


if __name__ == "__main__":
    main()
