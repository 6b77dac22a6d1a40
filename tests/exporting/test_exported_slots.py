"""A folder trains with the optimizer, schedule and the like that are recommended, in plain PyTorch
where that is the same.
"""

from __future__ import annotations

import pytest
from measured_arms import measured
from test_export_scripts import NET, check_same, csv_ref, written

PLAIN = {
    "optimizer.sgd": {"lr": 0.05, "momentum": 0.8},
    "optimizer.nadam": {"lr": 0.02},
    "optimizer.muon": {"lr": 0.02, "momentum": 0.9},
    "schedule.cosine_decay": {"warmup": 0.2},
    "schedule.constant_rate": {"warmup": 0.2},
    "schedule.one_cycle": {"warmup": 0.3},
    "clipping.clip_by_norm": {"norm": 0.3},
    "clipping.clip_by_value": {"value": 0.02},
}
BY_ADVISOR = {
    "averaging.ema": ({"span": 0.1}, "a technique acts while the model is trained"),
    "averaging.swa": ({"start": 0.5}, "a technique acts while the model is trained"),
    "regularization.mixup": ({"alpha": 0.4}, "a technique acts while the model is trained"),
    "regularization.label_smoothing": ({"share": 0.1}, "a technique brings its own loss"),
}


def choice(full_name, params):
    """The parameters of a trial with one technique."""
    slot, _, name = full_name.partition(".")
    return {slot: name, **{f"{full_name}.{key}": value for key, value in params.items()}}


@pytest.fixture
def ref(write):
    """A study of a table, from the command line."""
    write("width.py", "WIDTH = 8\n")
    write("net.py", NET)
    return csv_ref(write)


@pytest.mark.parametrize("full_name", PLAIN)
def test_it_needs_no_advisor(full_name, ref, tmp_path):
    arm = measured(ref, **choice(full_name, PLAIN[full_name]))
    script = written(arm, tmp_path / "folder")
    assert not script.reasons
    assert "import advisor" not in script.files["train.py"]
    check_same(arm, tmp_path / "folder")


def test_an_optimizer_at_its_own_rate_is_moved_by_a_schedule(ref, tmp_path):
    chosen = choice("optimizer.sgd", {"lr": 0.05, "momentum": 0.8})
    arm = measured(ref, **chosen, **choice("schedule.linear_decay", {"warmup": 0.1}))
    assert not written(arm, tmp_path / "folder").reasons
    check_same(arm, tmp_path / "folder")


@pytest.mark.parametrize("full_name", BY_ADVISOR)
def test_what_acts_during_training_is_left_to_advisor(full_name, ref, tmp_path):
    params, why = BY_ADVISOR[full_name]
    arm = measured(ref, **choice(full_name, params))
    script = written(arm, tmp_path / "folder")
    assert why in script.by_advisor.loop
    check_same(arm, tmp_path / "folder")


def test_layers_that_are_put_into_the_model_are_left_to_advisor_in_use_as_well(ref, tmp_path):
    arm = measured(ref, normalization="layer_norm")
    script = written(arm, tmp_path / "folder")
    why = "normalization layer_norm: it is more than a formula"
    assert script.by_advisor.start == script.by_advisor.build == why
    check_same(arm, tmp_path / "folder")
