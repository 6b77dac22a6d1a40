"""Statistics, confirmation, recommendation; and the answers that a right advisor must give."""

import json
from dataclasses import replace

import pytest
import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.errors import InputError
from advisor.store.query import read
from advisor.training.criterion import Criterion
from advisor.training.metrics import METRICS
from advisor.verdict.candidates import Candidate, FreshScore, choose
from advisor.verdict.confirm import Measurement
from advisor.verdict.crossed import CrossedGain
from advisor.verdict.evidence import evidence_of
from advisor.verdict.explain import explain_alternatives, explain_choice, why_simpler
from advisor.verdict.measuring import PairedResult
from advisor.verdict.recommendation import Recommendation
from advisor.verdict.records import Evidence


def crossed(mean, error=0.002, pairs=10, **parts):
    """A gain, a third of whose squared error stays however many pairs there are."""
    squared = error**2
    facts = {"rows": 400, "units": 400, "noise": pairs * squared / 3, **parts}
    return CrossedGain(
        mean, error, pairs - 1.0, pairs,
        seed_variance=pairs * squared * 2 / 3, row_error=squared / 3, **facts,
    )  # fmt: skip


def test_where_neither_seeds_nor_rows_can_tell_the_answer_says_so():
    evidence = measured(candidate(initializer="he"), crossed(0.0055, 0.05), Evidence.OPEN)
    assert evidence.verdict == "undecided"
    reasons = explain_choice(evidence, "accuracy", [])
    assert "neither seeds nor rows" in reasons[1]
    more = replace(evidence.measured, needed=30, needed_rows=2000)
    reasons = explain_choice(replace(evidence, measured=more), "accuracy", [])
    assert "ask again with --seeds 30" in reasons[1]
    assert "2,000 rows" in reasons[1]


def test_what_the_test_rows_contradict_is_not_recommended():
    gain = crossed(0.03, 0.005, test=-0.01, rest=0.05, conflict=0.001)
    assert evidence_of(gain, 0.005) is Evidence.OPEN
    assert evidence_of(replace(gain, conflict=0.5), 0.005) is Evidence.BETTER
    assert evidence_of(replace(gain, test=0.02), 0.005) is Evidence.BETTER, "both are worth it"
    evidence = measured(candidate(initializer="he"), gain, Evidence.OPEN, contradicted=True)
    assert "the rows contradict each other" in explain_choice(evidence, "accuracy", [])[0]
    assert evidence.chosen is evidence.baseline


KEPT = {
    Evidence.WORSE: "it is worse",
    Evidence.EQUIVALENT: "no difference that is worth a change",
    Evidence.NOT_BETTER: "a gain that is worth a change (from 0.005) is ruled out",
}


@pytest.mark.parametrize("shown", KEPT)
def test_keep_says_which_of_three_it_is(shown):
    evidence = measured(candidate(initializer="he"), crossed(-0.001), shown)
    assert evidence.verdict == "keep"
    assert KEPT[shown] in explain_choice(evidence, "accuracy", [])[0]


def test_the_smallest_gain_worth_a_change_is_the_metric_s_own_and_may_be_a_share_of_the_score():
    assert METRICS["accuracy"].worth(0.9) == 0.005
    assert METRICS["rmse"].worth(200.0) == pytest.approx(2.0)


def candidate(extra=0.0, **choices):
    return Candidate(
        {"activation": "keep", "initializer": "keep", **choices}, {"training.lr": 0.001}, 0.9, extra
    )


def results(scores, seconds=1.0):
    return [FreshScore(score, seconds) for score in scores]


def measured(best, gain, evidence, others=(), selected=None, contradicted=False):
    own = candidate()
    pair = PairedResult([], gain, None, evidence, 0.99, contradicted=contradicted)
    scores = {"keep": results([0.5] * 3)}
    return Measurement(own, own, best, others, selected or {}, scores, pair, 0.005)


def test_a_tie_goes_to_fewer_changes_then_to_the_cheaper_arm_and_a_clear_winner_wins():
    both, one, slow = (
        candidate(activation="elu", initializer="he"),
        candidate(initializer="he"),
        candidate(0.5, initializer="slow"),
    )
    options = [both, one, slow]
    tied = {
        both.label: results([0.91, 0.92, 0.93]),
        one.label: results([0.909, 0.919, 0.928]),
        slow.label: results([0.909, 0.919, 0.929]),
    }
    assert choose(options, tied, 1.0, 0.005) is one
    clear = {**tied, both.label: results([0.95, 0.96, 0.97])}
    assert choose(options, clear, 1.0, 0.005) is both
    lower = {
        both.label: results([3.0, 3.1, 3.2]),
        one.label: results([2.0, 2.1, 2.2]),
        slow.label: results([4.0, 4.0, 4.0]),
    }
    assert choose(options, lower, -1.0, 0.005) is one


def test_alternatives_say_why_they_were_not_chosen():
    one, two, three = (
        candidate(initializer="he"),
        candidate(activation="elu", initializer="he"),
        candidate(activation="elu"),
    )
    scores = {
        "keep": results([0.5] * 3),
        one.label: results([0.90] * 3),
        two.label: results([0.902] * 3),
        three.label: results([0.8] * 3),
    }
    evidence = measured(one, crossed(0.4), Evidence.BETTER, [one, two, three], scores)
    alternatives = explain_alternatives(evidence, Criterion(METRICS["accuracy"]))
    assert [other.choices["activation"] for other in alternatives] == ["elu", "elu"]
    why = (
        "a tie; the simpler one is taken (1 more change here): accuracy 0.902 against 0.9 of "
        "initializer=he on 3 fresh seeds (lr 0.001)"
    )
    assert alternatives[0].why_not == why
    assert list(why_simpler(evidence)) == [
        "A tie on the 3 seeds that chose: activation=elu initializer=he. The simpler one is taken."
    ]
    assert (
        alternatives[1].why_not
        == "worse: accuracy 0.8 against 0.9 of initializer=he on 3 fresh seeds (lr 0.001)"
    )


# ---------------------------------------------------------------- studies with a known answer


def digits():
    x, y = load_digits(return_X_y=True)
    return (x / 16).astype("float32"), y


def deep():
    """Twenty plain layers at PyTorch's default start: the signal dies."""
    hidden = [layer for _ in range(18) for layer in (nn.Linear(32, 32), nn.ReLU())]
    return nn.Sequential(nn.Linear(64, 32), nn.ReLU(), *hidden, nn.Linear(32, 10))


class Shallow(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(64, 64), nn.Linear(64, 10)

    def forward(self, x):
        return self.last(F.relu(self.first(x)))


KEYS = {
    "study", "verdict", "metric", "direction", "choices", "params", "baseline", "recommended",
    "gain", "alternatives", "reasons", "findings", "skipped", "trials", "seconds", "versions",
    "warnings",
}  # fmt: skip


@pytest.fixture(scope="module")
def mended(tmp_path_factory):
    folder = tmp_path_factory.mktemp("deep")
    study = advisor.Study(
        "deep",
        advisor.Task(build=deep, data=digits),
        trials=24,
        epochs=10,
        only={"pretraining": []},
    )
    found = advisor.tune(study, storage=str(folder / "a.db"), workers=2)
    assert advisor.recommendation("deep", str(folder / "a.db")).to_json() == found.to_json()
    with pytest.raises(
        InputError, match="No recommendation for study 'deeep'.*Did you mean 'deep'"
    ):
        advisor.recommendation("deeep", str(folder / "a.db"))
    return found


def test_a_deep_plain_net_is_mended_by_another_start(mended):
    assert mended.verdict == "change"
    # SELU brings its start with it.
    assert mended.choices["initializer"] != "keep" or mended.choices["activation"] == "selu"
    assert mended.baseline["mean"] < 0.3 < 0.7 < mended.recommended["mean"]
    assert mended.recommended["test"] > 0.7
    assert mended.gain["low"] > 0.3
    assert any("initializer" in reason for reason in mended.reasons)


def test_a_recommendation_shows_each_technique_alone_what_decided_what_was_cut_and_what_it_costs(
    mended,
):
    rows = {(row["slot"], row["technique"]): row for row in mended.isolation}
    assert rows[None, "keep"]["alone"] == mended.baseline["searched"]
    assert all(row.gain is None for row in mended.isolation), "one seed shows no interval"
    assert set(mended.importance) == set(mended.changed)
    assert max(mended.importance.values()) > 0.3, "what leaving it out costs"
    assert len(mended.pruned) == mended.trials["pruned"]
    assert all(row["why"] for row in mended.pruned)
    assert {"choices", "mean", "seconds"} <= set(vars(mended.costs[0]))
    front = mended.front()
    assert front == sorted(front, key=lambda row: row["mean"])
    assert mended.gain["test"]["low"] > 0.3
    assert all(0 <= other["gain"]["p"] <= 1 for other in mended.alternatives)


def test_the_scores_of_both_arms_are_paired_and_give_the_printed_gain(mended):
    one, two = mended.baseline["scores"], mended.recommended["scores"]
    assert len(one) == len(two) == mended.gain["seeds"] == 5
    assert mended.gain["mean"] == pytest.approx(sum(two) / 5 - sum(one) / 5, abs=0.1)
    assert mended.gain["least"] < mended.gain["low"] < mended.gain["mean"]
    on_test = mended.recommended["test"] - mended.baseline["test"]
    assert mended.gain["test"]["mean"] == pytest.approx(on_test), "the same epochs, the same models"
    assert mended.recommended["mean"] == pytest.approx(sum(two) / 5)


def test_a_recommendation_has_the_documented_keys_and_survives_json(mended):
    kept = json.loads(mended.to_json())
    assert set(kept) >= KEYS
    assert {"params", "scores", "mean", "test"} <= set(kept["baseline"])
    assert {"mean", "low", "high", "p", "seeds", "detectable"} <= set(kept["gain"])
    assert Recommendation.from_json(mended.to_json()).to_json() == mended.to_json()


def test_a_recommendation_is_applied_to_a_fresh_model_and_only_changes_what_it_says(mended):
    torch.manual_seed(0)
    model = deep()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    after = mended.apply(model)
    assert set(after.state_dict()) == set(before)
    assert any(not torch.equal(value, before[name]) for name, value in after.state_dict().items())
    kinds = {type(module) for module in after.modules()}
    assert (nn.ReLU in kinds) == (mended.choices["activation"] == "keep")
    with pytest.raises(InputError, match="cannot be applied|needs|fails|got"):
        mended.apply(nn.Sequential(nn.Linear(3, 3), nn.ReLU(), nn.Linear(3, 2)))


def test_a_shallow_net_is_not_changed_for_another_activation(tmp_path):
    study = advisor.Study(
        "shallow",
        advisor.Task(build=Shallow, data=digits),
        trials=12,
        epochs=8,
        only={"pretraining": [], "initializer": []},
    )
    found = advisor.tune(study, storage=str(tmp_path / "a.db"), workers=2)
    assert found.verdict != "change"
    assert set(found.choices.values()) == {"keep"}
    assert found.baseline["mean"] == found.recommended["mean"] > 0.9
    model = Shallow()
    assert found.apply(model) is model


def test_techniques_that_are_the_same_under_another_name_are_never_a_change(tmp_path):
    plugin = tmp_path / "twins.py"
    plugin.write_text(
        "import advisor\nfrom torch import nn\n"
        "@advisor.hookimpl\n"
        "def techniques():\n"
        "    return [advisor.Activation(f'twin{i}', lambda: nn.LeakyReLU(0.0)) for i in range(4)]\n"
    )
    only = {"activation": [f"twin{i}" for i in range(4)], "initializer": [], "pretraining": []}
    study = advisor.Study(
        "twins", advisor.Task(build=Shallow, data=digits), trials=10, epochs=4, only=only
    )
    found = advisor.tune(study, storage=str(tmp_path / "a.db"), plugins=[str(plugin)], workers=0)
    assert found.verdict == "keep"
    assert "No technique that was asked for fits" in found.reasons[0]
    assert {skip.why for skip in found.skipped if skip.slot == "activation"} == {
        "the model has it already"
    }


def test_another_gain_worth_a_change_is_answered_anew(tmp_path):
    study = advisor.Study(
        "worth",
        advisor.Task(build=Shallow, data=digits),
        trials=3,
        epochs=2,
        only={"activation": ["tanh"]},
    )
    storage = str(tmp_path / "a.db")
    first = advisor.tune(study, storage=storage, workers=0)
    again = advisor.tune(replace(study, min_gain=0.5), storage=storage, workers=0)
    assert (first.min_gain, again.min_gain) == (0.005, 0.5)
    assert again.verdict == "keep"


def test_more_seeds_leave_what_fresh_seeds_gave_as_it_is(tmp_path):
    study = advisor.Study(
        "seeds",
        advisor.Task(build=Shallow, data=lambda: tuple(part[:150] for part in digits())),
        trials=3,
        epochs=1,
        seeds=3,
        only={"activation": ["tanh"]},
    )
    storage = str(tmp_path / "a.db")
    columns = "phase, arm, params, seed, score, test, seconds"
    results = []
    for seeds in (3, 13):
        answer = advisor.tune(replace(study, seeds=seeds), storage=storage, workers=0)
        assert answer.gain.seeds == seeds
        url = f"sqlite:///{storage}"
        results.append(set(read(url, f"SELECT {columns} FROM advisor_confirmations")[1]))
    assert results[0] < results[1], "seconds would differ where something is trained again"
