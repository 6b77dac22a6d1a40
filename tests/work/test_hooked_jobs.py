"""A job whose techniques hang into its training gives the same numbers stopped and resumed."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from advisor.work.job import HELD_OUT, kept_file, work
from advisor.work.prepare import prepare

PLUGIN = str(Path(__file__).parents[1] / "testing" / "hooked.py")
CHOICES = [
    {"average": "ema"},
    {"rows": "mixup"},
    {"rate": "falling"},
    {"noise": "langevin"},
    {"average": "ema", "rows": "mixup", "rate": "falling", "noise": "langevin"},
]


@pytest.mark.parametrize("choices", CHOICES, ids=lambda each: "+".join(each.values()))
def test_hooks_go_on_after_a_stop_as_if_there_had_been_none(job, ref, choices, tmp_path):
    def trained(name, **places):
        mine = replace(whole, measured=str(tmp_path / name), **places)
        outcome = work(mine)
        assert not outcome.why
        outputs = kept_file(mine, mine.measured, mine.to_epoch).read()[HELD_OUT]["outputs"]
        return [(epoch.loss, epoch.score) for epoch in outcome.curve], outputs[-1]

    ref = replace(ref, plugins=(PLUGIN,))
    given = {**choices, "training.lr": 0.03}
    whole = replace(job(ref=ref, content=prepare(ref).digest, **given), epochs=2, needs_effect=True)
    state = str(tmp_path / "state.pt")
    first, _ = trained("first.pt", to_epoch=1, save=state)
    rest, stopped = trained("rest.pt", from_epoch=1, load=state)
    curve, output = trained("whole.pt")
    assert len(first) == len(rest) == 1
    assert curve == first + rest
    assert torch.equal(output, stopped)
    kept = dict.fromkeys(choices, "keep")
    whole = replace(whole, params={**whole.params, **kept}, needs_effect=False)
    assert not torch.equal(output, trained("plain.pt")[1])
