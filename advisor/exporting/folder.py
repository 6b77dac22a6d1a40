"""Writes the folder of a recommendation, and proves it by running it before it is there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file, save_model
from torch import Tensor

from advisor.data.splits import Splits
from advisor.errors import InputError, SearchError, one_line
from advisor.exporting.card import card_of, requirements_of
from advisor.exporting.copied import OWN_CODE
from advisor.exporting.digests import digest_of
from advisor.exporting.measured import MeasuredArm, measured_arm
from advisor.exporting.scripts import ByAdvisor, ScriptText, Writer
from advisor.exporting.support import taken
from advisor.nested import elements
from advisor.readable import counted
from advisor.store.location import storage_url
from advisor.values import fault_of_path
from advisor.work.trust import Trust

SAME = 1e-6
"""By how much a replayed score may differ from the one that was measured."""
EXPECTED = "expected.safetensors"
"""The file of the weights with which the study begins, while a folder is made."""
LONGEST_LINE = 300
"""Letters of what a script said that a message repeats."""


def export(
    study: str,
    folder: str | Path,
    *,
    storage: str | None = None,
    files: Sequence[str | Path] = (),
    trust: bool = False,
    final: bool = False,
    on: Callable[[str], object] = lambda sentence: None,
) -> Path:
    """Write the recommendation of a study as a folder that stands for itself.

    It holds scripts that train and predict, the weights before and after the training of the first
    measuring seed, what was fitted to the data, and a card. The scripts are run before the folder
    is there: they give the score that was measured.

    Arguments:
        study: the name of the study.
        folder: to be made.
        storage: database URL or SQLite path, as for `tune`.
        files: Python files of the study whose code may run, besides those in the current folder.
        trust: whether all may run that the database names.
        final: whether the weights are trained on all rows, with nothing held out.
        on: called with a sentence as things happen.

    Returns:
        The folder.

    Raises:
        InputError: there is no such study, it cannot be exported, or the folder is there.
        SearchError: the first measuring seed does not give its score again.

    Example:
        >>> import advisor
        >>> advisor.export("digits", "digits_model", files=["studies/digits.py"])  # doctest: +SKIP
        PosixPath('/models/digits_model')
    """
    target = Path(folder).expanduser().absolute()
    check_folder(target)
    trusted = Trust.in_files(*files, everything=trust).with_loaded()
    arm = measured_arm(study, storage_url(storage), trusted)
    target.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".export-", dir=target.parent) as place:
        built = Path(place) / target.name
        built.mkdir()
        write(arm, built, final, on)
        if target.is_dir():
            target.rmdir()  # which is empty
        os.rename(built, target)
    return target


def check_folder(folder: Path) -> None:
    """Raise `InputError` where a folder cannot be made, or holds something."""
    fault = fault_of_path(folder)
    if fault is not None:
        raise InputError(f"-o {str(folder)!r} {fault}.")
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder} is there already. Name a folder that is not, or remove this one: what is in "
            "it may have been edited, so it is not overwritten."
        )


def write(arm: MeasuredArm, folder: Path, final: bool, on: Callable[[str], object]) -> None:
    """Write all files of an arm, and run them."""
    save_rows(arm.splits, folder, left_out_rows(arm))
    save_model(arm.started(arm.seed).model, str(folder / EXPECTED))
    if not arm.recommendation.changed:
        on(f"verdict {arm.recommendation.verdict}: your model is exported as it is")
    on(f"training the first measuring seed again ({counted(arm.epochs, 'epoch')})")
    script = replayed(arm, folder)
    for reason in script.reasons:
        on(f"train.py imports advisor: {reason}")
    if final:
        on("training on all rows")
        run_script(folder, "--final", "-o", str(folder / "model.safetensors"))
    (folder / EXPECTED).unlink()
    (folder / "recommendation.json").write_text(arm.text)
    (folder / "MODEL_CARD.md").write_text(card_of(arm, script, final))
    (folder / "requirements.txt").write_text(requirements_of(script))


def replayed(arm: MeasuredArm, folder: Path) -> ScriptText:
    """The script that gives the score of the seed again, with the weights that it trains.

    Raises `SearchError` where the seed does not give its score.
    """
    digest = digest_of_rows(arm.splits)
    script, told = plainest(arm, folder, digest)
    if not same_score(told["score"], arm.score) and not script.by_advisor.loop:
        why = "the script's own loop gave another score"
        script = tried(arm, folder, digest, script.by_advisor.also("loop", why))
        told = run_script(folder, "-o", str(folder / "model.safetensors"))
    if not same_score(told["score"], arm.score):
        raise SearchError(
            f"Study {arm.recommendation.study!r}: measuring seed {arm.number} gave {arm.score:.8g} "
            f"when it was asked, and gives {told['score']:.8g} here. Another machine or version "
            "adds in another order, or the code draws what no seed decides: ask the study anew "
            "here, under another name, and export that."
        )
    return script


def same_score(score: float, wanted: float) -> bool:
    """Whether a replayed score is the one that was measured."""
    return abs(score - wanted) <= SAME


def left_out_rows(arm: MeasuredArm) -> Tensor | None:
    """The numbers of the rows that a study had no time for; None where it is done on all."""
    source = arm.prepared.source
    if source.every is None:
        return None
    every = source.whole().train.rows
    used = [part.rows for part in (arm.splits.train, arm.splits.valid, arm.splits.test)]
    numbers = [rows for rows in used if rows is not None]
    return None if every is None else every[~torch.isin(every, torch.cat(numbers))]


def save_rows(splits: Splits, folder: Path, left_out: Tensor | None = None) -> None:
    """Write the numbers of the rows of a seed, and of those that only a final training takes."""
    parts = {"train": splits.train, "held_out": splits.valid, "test": splits.test}
    rows = {}
    for name, part in parts.items():
        numbers = torch.arange(len(part)) if part.rows is None else part.rows
        rows[name] = numbers.to(torch.int64).contiguous()
    if left_out is not None:
        rows["left_out"] = left_out.to(torch.int64).contiguous()
    save_file(rows, str(folder / "rows.safetensors"))


def digest_of_rows(splits: Splits) -> str:
    """The digest that the script computes of its data, of what the study has."""
    parts = [splits.train, splits.valid, splits.test]
    columns: list[list[Tensor]] = []
    for part in parts:
        columns.append(list(elements(taken(part))) if len(part) else [])
    filled = [column for column in columns if column]
    inputs = [torch.cat(list(each)) for each in zip(*filled, strict=True)]
    targets = [part.target for part in parts if part.target is not None]
    return digest_of([*inputs, torch.cat(targets)])


# --- trying ---------------------------------------------------------------------------------------


def plainest(arm: MeasuredArm, folder: Path, digest: str) -> tuple[ScriptText, dict[str, Any]]:
    """The script with the fewest parts of advisor that starts as the study does, and what it said
    when it had trained.

    Raises `InputError` where none does.
    """
    by_advisor = ByAdvisor()
    why = ""
    for _ in range(4):
        script = tried(arm, folder, digest, by_advisor)
        by_advisor = script.by_advisor
        part, why, told = fault_of_start(folder, digest, by_advisor)
        if not part:
            return script, told
        if getattr(by_advisor, part):
            break
        by_advisor = by_advisor.also(part, why)
    raise InputError(
        f"Study {arm.recommendation.study!r} cannot be exported: train.py does not begin as the "
        f"study did: {why}."
    )


def tried(arm: MeasuredArm, folder: Path, digest: str, by_advisor: ByAdvisor) -> ScriptText:
    """Write the scripts, with these parts left to advisor."""
    script = Writer(arm, digest, by_advisor).script()
    for name, text in script.files.items():
        (folder / name).write_text(text)
    (folder / "preprocessing.json").write_text(json.dumps(script.fitted, indent=1))
    for place in script.copied.files:
        copy = folder / OWN_CODE / place
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(script.copied.text(place))
    return script


def fault_of_start(folder: Path, digest: str, by: ByAdvisor) -> tuple[str, str, dict[str, Any]]:
    """The part of a script that begins otherwise than the study, and how, both empty where none
    does; and what it said when it had trained.
    """
    start, model = folder / "start.safetensors", folder / "model.safetensors"
    try:
        told = run_script(folder, "--start", str(start), "-o", str(model))
    except SearchError as problem:
        why = str(problem)
        part = next((each for each in ("start", "build", "data") if not getattr(by, each)), "start")
        if any(word in why for word in ("read_data", "inputs_of", "targets_of", "read_table")):
            part = "data" if not by.data else part
        return part, f"it could not be written as plain code ({why})", {}
    if told["digest"] != digest:
        return "data", "plain code reads the data otherwise", {}
    found = load_file(start)
    wanted = load_file(folder / EXPECTED)
    is_same = found.keys() == wanted.keys() and all(
        found[name].shape == each.shape and torch.allclose(found[name], each, rtol=0, atol=SAME)
        for name, each in wanted.items()
    )
    return ("", "", told) if is_same else ("start", "plain code starts with other weights", {})


def run_script(folder: Path, *options: str) -> dict[str, Any]:
    """Run `train.py` in a process of its own; what it said in lines of JSON.

    Raises `SearchError` with the last line that it said where it failed.
    """
    command = [sys.executable, str(folder / "train.py"), *options]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603  # ours
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        where = [line.split(" in ")[-1] for line in lines if "train.py" in line and " in " in line]
        said = one_line(lines[-1] if lines else f"exit code {done.returncode}")[:LONGEST_LINE]
        raise SearchError(f"{said} in {', '.join(where[-3:])}" if where else said)
    told: dict[str, Any] = {}
    for line in done.stdout.splitlines():
        # What the user's own code prints is no JSON.
        with suppress(ValueError):
            said_of = json.loads(line)
            told |= said_of if isinstance(said_of, dict) else {}
    return told
