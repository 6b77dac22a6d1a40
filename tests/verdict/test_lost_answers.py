"""What models answered on the rows that measure is kept in files, and files can be lost."""

from __future__ import annotations

import pytest
from torch import nn

import advisor
from advisor.api.tune import tune
from advisor.errors import MachineError
from advisor.verdict.fresh_seeds import FOLDER


@pytest.fixture
def answered(blobs, tmp_path):
    """The answer about a small study whose answers are damaged at these events."""

    def answered(name, damaged_at, stopped_at=None):
        def damage(event):
            nonlocal seen
            is_measured = "measuring seed" in event.text
            seen += is_measured
            if is_measured and damaged_at(seen):
                files = list(tmp_path.rglob(f"{FOLDER}/*.pt"))
                assert files
                for file in files:
                    file.write_bytes(b"something else")
            if is_measured and seen == stopped_at:
                raise KeyboardInterrupt

        seen = 0
        only = {"activation": ["elu"], "initializer": [], "pretraining": []}
        net = lambda: nn.Sequential(nn.Linear(4, 8), nn.Sigmoid(), nn.Linear(8, 2))  # noqa: E731 - short
        study = advisor.Study("lost", advisor.Task(net, blobs), trials=4, epochs=3, only=only)
        storage = f"sqlite:///{tmp_path / name}.db"
        found = tune(study, storage=storage, on=damage, workers=0)
        return found.baseline.scores, found.recommended.scores, found.baseline.test, found.gain

    return answered


def test_answers_that_are_damaged_while_a_study_is_stopped_are_made_again(answered):
    whole = answered("whole", lambda seen: False)
    assert whole[-1].test is not None
    with pytest.raises(KeyboardInterrupt):
        answered("damaged", lambda seen: seen == 5, stopped_at=5)
    assert answered("damaged", lambda seen: False) == whole


def test_answers_that_do_not_stay_whole_end_the_command(answered):
    with pytest.raises(MachineError, match=r"rows that measure .*\.pt, and is gone or damaged"):
        answered("damaged", lambda seen: True)
