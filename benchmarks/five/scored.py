"""Score answers on fresh seeds: all train on the same rows of a seed, and are scored on test rows.

    python scored.py FOLDER NAME ANSWERS.json [--seeds 10]

Each answer is what `advisor tune --json` prints, or by_hand.py. Printed are scores by answer.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from by_hand import Recipe, Rows, accuracy, recipe_of, tensors, trained

from advisor.data.splits import Part
from advisor.technique import KEEP
from advisor.work.prepare import Prepared, prepare
from advisor.work.replay import train_once
from advisor.work.study_ref import StudyRef

FIRST_SEED = 1_000_000
"""No study and no script has trained with these seeds."""


def rows_of(part: Part) -> Rows:
    """All rows of a part."""
    (x,), y = part.take(torch.arange(len(part)))
    return x, y


def score_of(
    answer: Mapping[str, Any], prepared: Prepared, recipe: Recipe, seed: int, test: Rows
) -> float:
    """What one training of an answer reaches on the test rows."""
    if "choices" in answer:
        kept = dict.fromkeys(prepared.host.slots, KEEP)  # an older answer knows fewer slots
        params = {**kept, **answer["choices"], **answer["params"]}
        found = train_once(prepared, params, prepared.batch, answer["epochs"], seed)
        return accuracy(found.model, test)
    rows = rows_of(prepared.measuring_splits(seed).train)
    *_, model = trained(recipe, answer["params"], rows, answer["epochs"], seed)
    return accuracy(model, test)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path, help="of the study's file and rows")
    parser.add_argument("name")
    parser.add_argument("answers", type=Path)
    parser.add_argument("--seeds", type=int, default=10)
    given = parser.parse_args()
    torch.set_num_threads(1)
    test = tensors(given.folder / f"{given.name}.npz", "test")
    prepared = prepare(StudyRef(file=str(given.folder / f"{given.name}.py")))
    recipe = recipe_of(given.name, test[0].shape[1])
    seeds = range(FIRST_SEED, FIRST_SEED + given.seeds)
    scores = {
        label: [score_of(answer, prepared, recipe, seed, test) for seed in seeds]
        for label, answer in json.loads(given.answers.read_text()).items()
    }
    print(json.dumps(scores))


if __name__ == "__main__":
    main()
