"""The referee of tuners: claims are held against the truth, budgets count, and anyone's tuner can be asked."""

import importlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
REFEREE = ROOT / "benchmarks" / "referee"
sys.path[:0] = [str(ROOT / "benchmarks"), str(REFEREE)]
protocol = importlib.import_module("protocol")
tuners = importlib.import_module("tuners")
del sys.path[:2]


def problem(gain):
    """`good` is better by a gain; a seed adds a little noise."""

    def score(choice, params, seed):
        return gain * (choice == "good") - abs(params["rate"] - 0.01) + seed % 2 * 1e-3

    right = frozenset({"good"} if gain > 0.005 else {"keep"})
    gains = {"keep": 0.0, "good": gain, "same": 0.0}
    ranges = {"rate": (1e-4, 1e-1)}
    return protocol.Problem("p", ("keep", "good", "same"), ranges, score, gains, 0.005, right)


def judged(claim, gain=0.02):
    return protocol.judge(lambda train, choices, budget: claim, problem(gain), 10, 0)


def test_a_right_change_is_right_and_its_bias_is_claimed_less_true():
    answer = judged(protocol.Claim("good", 0.05, (0.01, 0.06)))
    assert (answer.right, answer.false_change, answer.covers) == (True, False, True)
    assert answer.bias == pytest.approx(0.03)


def test_a_change_to_what_gains_nothing_is_false():
    answer = judged(protocol.Claim("same", 0.05, (0.01, 0.06)))
    assert (answer.right, answer.false_change, answer.covers) == (False, True, False)


def test_keeping_is_right_where_nothing_helps_and_wrong_where_something_does():
    claim = protocol.Claim("keep", 0.001)
    assert judged(claim, gain=0.0).right
    assert not judged(claim).right
    assert not judged(claim).false_change


def test_an_interval_is_held_against_the_choice_of_which_it_speaks():
    claim = protocol.Claim("keep", 0.02, (0.01, 0.03), of="good")
    assert judged(claim).covers
    assert not judged(claim, gain=0.0).covers


def test_a_training_beyond_the_budget_is_refused():
    def spends(train, choices, budget):
        for seed in range(budget + 1):
            train("keep", {"rate": 0.01}, seed)

    with pytest.raises(protocol.BudgetSpentError, match="all 10 trainings"):
        protocol.judge(spends, problem(0.0), 10, 0)


@pytest.mark.parametrize("name", ["optuna_script", "best_of_n", "greedy"])
def test_a_tuner_by_hand_finds_a_large_gain_within_its_budget(name):
    answer = protocol.judge(getattr(tuners, name), problem(0.5), 60, 0)
    assert answer.right
    assert answer.trainings <= 60
    assert answer.claim.gain > 0.3


def test_the_careful_script_keeps_the_model_where_nothing_helps_and_the_best_of_n_need_not():
    answer = protocol.judge(tuners.optuna_script, problem(0.0), 60, 0)
    assert answer.claim.choice == "keep"
    assert answer.claim.of in ("good", "same")


def test_the_tuner_of_the_readme_is_asked_by_its_module_and_function(tmp_path):
    text = (REFEREE / "README.md").read_text(encoding="utf-8")
    (tmp_path / "mine.py").write_text(
        text.split("```python\n")[1].split("```")[0], encoding="utf-8"
    )
    command = [sys.executable, str(REFEREE / "run.py"), "--worlds", "2", "--workers", "1"]
    done = subprocess.run(
        [*command, "--tuner", "mine:tuner"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert "mine:tuner" in done.stdout
