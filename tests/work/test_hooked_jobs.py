"""A job whose techniques hang into its training gives the same numbers stopped and resumed."""

from dataclasses import replace
from pathlib import Path

import pytest

from advisor.work.job import HELD_OUT, work
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
    def trained(**places):
        outcome = work(replace(whole, measures=True, **places))
        assert not outcome.why
        held_out = outcome.rows.get(HELD_OUT)
        added = None if held_out is None else held_out.added.tolist()
        return [(epoch.loss, epoch.score) for epoch in outcome.curve], added

    ref = replace(ref, plugins=(PLUGIN,))
    given = {**choices, "training.lr": 0.03}
    whole = replace(job(ref=ref, content=prepare(ref).digest, **given), epochs=2, needs_effect=True)
    state = str(tmp_path / "state.pt")
    first, _ = trained(to_epoch=1, save=state)
    rest, stopped = trained(from_epoch=1, load=state)
    curve, added = trained()
    assert len(first) == len(rest) == 1
    assert curve == first + rest
    assert added is not None
    assert added == stopped
    kept = dict.fromkeys(choices, "keep")
    whole = replace(whole, params={**whole.params, **kept}, needs_effect=False)
    assert trained() != (curve, added)
