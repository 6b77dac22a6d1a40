"""Studies whose right answer is known, through the whole of advisor: is it given?

    python benchmarks/known_answers.py [--seed 0 1] [--storage FOLDER] [CASE …]

The cases are the study files of studies/known_answers; each says in EXPECTED what a correct advisor
must answer:

    verdict    the verdicts that are right
    choices    by slot, the techniques that are right where a change is recommended
    gain       the range of the true gain, which the printed interval must not exclude
    finding    a kind of finding that must be reported
    absent     a kind of finding that must not be reported
    identical  True where the techniques are the model itself under another name: the gain is 0, or
               the answer says that they are
    source     where the truth comes from
"""

from __future__ import annotations

import argparse
import json
import os
import runpy
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

FOLDER = Path(__file__).parents[1] / "studies" / "known_answers"
"""Where the cases are."""
KEYS = {"verdict", "choices", "gain", "finding", "absent", "identical", "source"}
"""What `EXPECTED` may say."""
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


def ask(asked: Case, seed: int, storage: str, workers: int = WORKERS) -> dict[str, Any]:
    """What advisor answers, as its JSON says it."""
    import advisor  # here, so that --help and a wrong name are answered at once
    from advisor.work.study_ref import StudyRef

    changes = json.dumps({"seed": seed, "name": f"{asked.path.stem}-{seed}"})
    ref = StudyRef(file=str(asked.path), changes=changes, plugins=asked.plugins)
    recommendation = advisor.tune(ref, storage=storage, workers=workers)
    answer: dict[str, Any] = json.loads(recommendation.to_json())
    return answer


def wrongs(expected: Mapping[str, Any], answer: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an answer, one sentence each."""
    verdict, gain = answer["verdict"], answer["gain"]
    if verdict not in expected["verdict"]:
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


def judge(name: str, seed: int, folder: Path) -> bool:
    """Ask a case with a seed and print its line, and below it what is wrong."""
    began = time.perf_counter()
    try:
        asked = case(name)
        answer = ask(asked, seed, f"sqlite:///{folder / 'known_answers.db'}")
    except Exception:  # one case that breaks is a wrong answer, and no reason to skip the others
        print(COLUMNS.format(name[:18], seed, "", "raised", "", "", "✗"))
        traceback.print_exc(limit=-3, file=sys.stdout)
        return False
    sentences = list(wrongs(asked.expected, answer))
    seconds = time.perf_counter() - began
    print(row(name, seed, asked.expected, answer, seconds, not sentences))
    for sentence in sentences:
        print(f"  {sentence}")
    sys.stdout.flush()
    return not sentences


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument(
        "cases", nargs="*", metavar="CASE", help="names of study files; all if none is given"
    )
    parser.add_argument("--seed", nargs="+", type=int, default=[0], help="seeds of the studies")
    parser.add_argument(
        "--storage", type=Path, help="a folder for the database; a temporary one if not given"
    )
    options = parser.parse_args()
    chosen = options.cases or names()
    if unknown := set(chosen) - set(names()):
        parser.error(f"no case {', '.join(sorted(unknown))}; the cases are {', '.join(names())}")
    began = time.perf_counter()
    print(COLUMNS.format("case", "seed", "expected", "answer", "gain [95 %]", "s", ""))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.storage or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        right = [judge(name, seed, folder) for name in chosen for seed in options.seed]
    print(f"\n{sum(right)} of {len(right)} right in {time.perf_counter() - began:.0f} s")
    sys.exit(0 if all(right) else 1)


if __name__ == "__main__":
    main()
