"""Studies whose right answer is known, through the whole of advisor: is it given?

    python benchmarks/known_answers.py [--seed 0 1] [--storage FOLDER] [CASE …]

The cases are the study files of studies/known_answers; each says in EXPECTED what a correct advisor
must answer:

    verdict    the verdicts that are right
    choices    by slot, the techniques that are right where a change is recommended
    gain       the range of the true gain, which the printed interval must not exclude
    finding    a kind of finding that must be reported; `absent`: one that must not
    identical  True where the techniques are the model itself under another name: the gain is 0, or
    it is told that they are source     where the truth comes from
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
KEYS = {"verdict", "choices", "gain", "finding", "absent", "identical", "source"}
WORKERS = 2
COLUMNS = "{:<18} {:>4} {:<9} {:<35} {:<22} {:>4} {}"  # 98 wide


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
        found = runpy.run_path(str(path))
    finally:
        sys.path.remove(str(FOLDER))
    plugins = tuple(str(FOLDER / plugin) for plugin in found.get("PLUGINS", ()))
    return Case(path, " ".join(found["__doc__"].split()), found["EXPECTED"], plugins)


def names() -> list[str]:
    """All cases: the files that hold a study."""
    return sorted(path.stem for path in FOLDER.glob("*.py") if "advisor.Study(" in path.read_text())


def ask(asked: Case, seed: int, storage: str, workers: int = WORKERS) -> dict[str, Any]:
    """What advisor answers, as its JSON says it."""
    import advisor
    from advisor.work.study_ref import StudyRef

    changes = json.dumps({"seed": seed, "name": f"{asked.path.stem}-{seed}"})
    question = StudyRef(file=str(asked.path), changes=changes, plugins=asked.plugins)
    found: dict[str, Any] = json.loads(
        advisor.tune(question, storage=storage, workers=workers).to_json()
    )
    return found


def wrongs(expected: Mapping[str, Any], given: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with an answer, one sentence each."""
    kinds, gain = {finding["kind"] for finding in given["findings"]}, given["gain"]
    if given["verdict"] not in expected["verdict"]:
        yield f"the verdict is {given['verdict']}, not {' or '.join(expected['verdict'])}"
    elif given["verdict"] == "change":
        for slot, right in expected.get("choices", {}).items():
            if given["choices"].get(slot) not in right:
                yield f"{slot} is {given['choices'].get(slot)}, not {' or '.join(right)}"
    low, high = expected.get("gain", (-float("inf"), float("inf")))
    if gain["high"] < low or gain["low"] > high:
        yield f"the interval [{gain['low']:+.4g}, {gain['high']:+.4g}] excludes the true gain, in [{low:g}, {high:g}]"
    if "finding" in expected and expected["finding"] not in kinds:
        yield f"{expected['finding']} is not among the findings ({', '.join(sorted(kinds)) or 'none'})"
    if expected.get("absent") in kinds:
        yield f"{expected['absent']} is found, and is not there"
    told = gain.get("identical") or any(
        "identical" in other["why_not"] for other in given["alternatives"]
    )
    if expected.get("identical") and gain["mean"] and not told:
        yield f"the techniques are the model itself, and the gain is {gain['mean']:+.4g}; nothing says that they are identical"


def row(
    name: str,
    seed: int,
    expected: Mapping[str, Any],
    given: Mapping[str, Any],
    seconds: float,
    right: bool,
) -> str:
    """A line of the table."""
    changed = " ".join(technique for technique in given["choices"].values() if technique != "keep")
    gain = given["gain"]
    interval = (
        ""
        if gain["mean"] is None
        else f"{gain['mean']:+.3f} [{gain['low']:+.3f}, {gain['high']:+.3f}]"
    )
    answer = f"{given['verdict']} {changed}"[:35]
    return COLUMNS.format(
        name[:18],
        seed,
        "/".join(expected["verdict"])[:9],
        answer,
        interval,
        f"{seconds:.0f}",
        "✓✗"[not right],
    )


def judge(name: str, seed: int, folder: Path) -> bool:
    """Ask a case with a seed and print its line, and below it what is wrong."""
    began = time.perf_counter()
    try:
        asked = case(name)
        given = ask(asked, seed, f"sqlite:///{folder / 'known_answers.db'}")
    except Exception:  # one case that breaks is a wrong answer, and no reason to skip the others
        print(COLUMNS.format(name[:18], seed, "", "raised", "", "", "✗"))
        traceback.print_exc(limit=-3, file=sys.stdout)
        return False
    said = list(wrongs(asked.expected, given))
    print(
        row(name, seed, asked.expected, given, time.perf_counter() - began, not said),
        *(f"  {what}" for what in said),
        sep="\n",
    )
    sys.stdout.flush()
    return not said


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
    print(COLUMNS.format("case", "seed", "expected", "given", "gain [95 %]", "s", ""))
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.storage or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        right = [judge(name, seed, folder) for name in chosen for seed in options.seed]
    print(f"\n{sum(right)} of {len(right)} right in {time.perf_counter() - began:.0f} s")
    sys.exit(0 if all(right) else 1)


if __name__ == "__main__":
    main()
