"""Training scripts of the user's own: what is understood, run and refused."""

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from textwrap import dedent

import pytest

import advisor
from advisor.errors import InputError
from advisor.search.script_plan import first_of_script, plan_of_script
from advisor.training.ended import Ended
from advisor.work.crews import crew
from advisor.work.job import Job
from advisor.work.scripts.prepared import open_script
from advisor.work.scripts.trials import ANY_EPOCHS
from advisor.work.study_ref import StudyRef

HEAD = """
import sys
import torch
from torch import nn
import advisor

arm = advisor.arm()
torch.manual_seed(arm.seed)
x = torch.randn(48, 6)
y = (x[:, 0] > 0).long()
model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 2))
"""
TRAIN = """
optimizer = torch.optim.SGD(model.parameters(), lr=arm.lr(0.1))
epochs = arm.epochs(3)
for epoch in range(1, epochs + 1):
    loss = nn.functional.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    right = (model(x).argmax(1) == y).float()
    arm.report(right.mean())
    if epoch > epochs - arm.scored:
        arm.rows(right)
"""
APPLY = "model = arm.apply(model, x)\n"
WHOLE = HEAD + APPLY + TRAIN


@pytest.fixture(scope="module")
def workforce():
    with crew(1) as made:
        yield made


def ref_of(folder: Path, text: str, **flags) -> StudyRef:
    file = folder / flags.pop("name", "train.py")
    file.write_text(dedent(text))
    changes = flags.pop("changes", {})
    plain = {"name": "own", "script": str(file), **flags}
    return StudyRef(flags=json.dumps(plain), changes=json.dumps(changes))


def opened(ref, workforce):
    return open_script(ref, workforce)


def job_of(prepared, choices=None, **settings) -> Job:
    plan = plan_of_script(prepared)
    params = {**plan.baseline, **plan.defaults_of(plan.baseline), **(choices or {})}
    parts = {"seed": advisor_seed(), "split": 0, "batch": 1, "from_epoch": 0, "to_epoch": 3}
    return Job(prepared.ref, prepared.opening_id, prepared.digest, params, **{**parts, **settings})


def advisor_seed() -> int:
    from advisor.randomness import mix

    return mix(0, "search")


def outcome_of(ref, workforce, choices=None, **settings):
    prepared = opened(ref, workforce)
    return workforce.run_by_itself(job_of(prepared, choices, **settings))


# --- what is understood ---------------------------------------------------------------------------


def test_a_script_by_itself_runs_as_it_is_and_imports_nothing_of_advisor(tmp_path):
    (tmp_path / "train.py").write_text(
        "import sys, advisor\n"
        "arm = advisor.arm()\n"
        "model = object()\n"
        "assert arm.apply(model, None) is model and arm.lr(.1) == .1 and arm.epochs(7) == 7\n"
        "assert arm.weight_decay(0) == 0 and arm.scored == 0 and arm.seed < 2**31\n"
        "assert arm.report('anything') is None and arm.rows(object()) is None\n"
        "assert not {'torch', 'numpy', 'sqlalchemy', 'optuna'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "train.py"], cwd=tmp_path, check=True)


def test_the_seed_of_a_script_by_itself_is_that_of_the_first_trial():
    from advisor.work.scripts.trials import seed_of

    assert advisor.arm().seed == seed_of(advisor_seed())


def test_a_rehearsal_shows_the_model_the_rates_and_what_fits(tmp_path, workforce):
    only = {"activation": ["elu"], "pretraining": ["autoencoder"], "embedding": ["skipgram"]}
    prepared = opened(ref_of(tmp_path, WHOLE, changes={"only": only}), workforce)
    assert prepared.recipe.lr == 0.1
    assert prepared.rehearsed.optimizer == "SGD at lr 0.1, weight decay 0"
    assert prepared.rehearsed.parameters == 6 * 8 + 8 + 8 * 2 + 2
    skipped = prepared.rehearsed.skipped
    assert skipped["activation", "elu"] is None
    assert "training rows" in skipped["pretraining", "autoencoder"]
    assert "embedding" in skipped["embedding", "skipgram"]


def test_a_technique_that_sets_hooks_is_not_tried_on_a_script_and_says_why(tmp_path, workforce):
    plugin = str(Path(__file__).parents[1] / "testing" / "hooked.py")
    ref = ref_of(tmp_path, WHOLE, changes={"only": {"average": ["ema"], "rate": ["falling"]}})
    plan = plan_of_script(opened(replace(ref, plugins=(plugin,)), workforce))
    why = {skip.technique: skip.why.replace(", ", " and ") for skip in plan.skipped}
    own = "your own training does not use"
    assert why["ema"] == f"{own} run.scored and run.keep"
    assert why["falling"] == f"{own} run.steps"


def test_a_batch_may_be_what_a_loader_gives(tmp_path, workforce):
    text = HEAD + "model = arm.apply(model, (x, y))\n" + TRAIN
    assert opened(ref_of(tmp_path, text), workforce).batch == 48


def test_a_batch_may_be_a_graph_whose_edges_are_no_rows(tmp_path, workforce):
    text = HEAD + dedent(
        """
        class Graph(nn.Module):
            def __init__(self):
                super().__init__()
                self.first, self.last = nn.Linear(6, 8), nn.Linear(8, 2)

            def forward(self, x, edges, times=1):
                near = torch.zeros_like(x).index_add(0, edges[0], x[edges[1]])
                return self.last(torch.relu(self.first(x + times * near)))

        graph, edges = Graph(), torch.randint(0, 48, (2, 90))
        graph = arm.apply(graph, (x, edges, 2))
        model = lambda rows: graph(rows, edges, 2)
        model.parameters = graph.parameters
        """
    )
    prepared = opened(ref_of(tmp_path, text + TRAIN), workforce)
    assert prepared.rehearsed.skipped["activation", "elu"] is None
    changed = workforce.run_by_itself(job_of(prepared, {"activation": "elu"}))
    assert changed.ended is None
    assert changed.actions["activation"].startswith("swapped 1 site")


@pytest.mark.proof
def test_a_loader_may_have_workers_and_threads_may_wait(tmp_path, workforce):
    text = HEAD + dedent(
        """
        import threading
        loader = torch.utils.data.DataLoader(
            torch.utils.data.TensorDataset(x, y), batch_size=16, num_workers=1
        )
        waiting = threading.Event()
        threading.Thread(target=waiting.wait).start()
        model = arm.apply(model, next(iter(loader)))
        """
    )
    ref = ref_of(tmp_path, text + TRAIN + "waiting.set()\n")
    assert outcome_of(ref, workforce).ended is None


def test_a_script_that_does_not_ask_for_its_rate_has_one_rate(tmp_path, workforce):
    prepared = opened(ref_of(tmp_path, WHOLE.replace("arm.lr(0.1)", "0.1")), workforce)
    plan = plan_of_script(prepared)
    assert plan.space["training.lr"].single()
    assert any("arm.lr" in warning for warning in prepared.warnings)


# --- how it is run --------------------------------------------------------------------------------


def test_trial_0_is_the_script_by_itself(tmp_path, workforce):
    say = "    print(float(loss))\n    arm.report(-loss.item())\n"
    text = WHOLE.replace("    arm.report(right.mean())\n", say)
    ref = ref_of(tmp_path, text)
    by_hand = subprocess.run(
        [sys.executable, "train.py"], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    scores = [epoch.score for epoch in outcome_of(ref, workforce).curve]
    assert scores == pytest.approx([-float(line) for line in by_hand.stdout.split()], abs=1e-6)


def test_a_technique_is_applied_before_the_optimizer_is_built(tmp_path, workforce):
    ref = ref_of(tmp_path, WHOLE + "print(model)\n")
    printed = tmp_path / "logs" / "trial.txt"
    outcome = outcome_of(ref, workforce, {"activation": "elu", "activation.elu.alpha": 1.0})
    assert outcome.ended is None
    assert outcome.actions["activation"].startswith("swapped 1 site")
    prepared = opened(ref, workforce)
    job = job_of(prepared, {"activation": "elu"}, printed=str(printed))
    workforce.run_by_itself(job)
    assert "ELU" in printed.read_text()


def test_rates_are_multiplied_by_what_the_trial_asks_for(tmp_path, workforce):
    text = WHOLE.replace("lr=arm.lr(0.1)", "lr=arm.lr(0.1) + arm.lr(0.01)")
    text += "assert abs(optimizer.param_groups[0]['lr'] - 0.22) < 1e-12\n"
    ref = ref_of(tmp_path, text.replace("0.22", "0.11"))
    assert outcome_of(ref, workforce).ended is None
    prepared = opened(ref, workforce)
    (tmp_path / "train.py").write_text(dedent(text))
    prepared = opened(ref, workforce)
    assert workforce.run_by_itself(job_of(prepared, {"training.lr": 0.2})).ended is None


def test_rows_are_read_by_what_measures_alone(tmp_path, workforce):
    prepared = opened(ref_of(tmp_path, WHOLE), workforce)
    assert workforce.run_by_itself(job_of(prepared)).rows == {}
    measured = workforce.run_by_itself(job_of(prepared, measures=True))
    (values,) = measured.rows.values()
    assert len(values.rows) == 48
    assert measured.test == pytest.approx(measured.curve[-1].score)


def test_a_script_that_stops_early_by_itself_keeps_its_last_score(tmp_path, workforce):
    text = WHOLE + "    if arm.seed and epoch == 2:\n        break\n"
    curve = outcome_of(ref_of(tmp_path, text), workforce, to_epoch=3).curve
    assert [epoch.epoch for epoch in curve] == [1, 2, 3]
    assert curve[2].score == curve[1].score


def test_two_scripts_in_a_row_give_what_each_gives_alone(tmp_path, workforce):
    one, two = tmp_path / "one", tmp_path / "two"
    for folder, value in ((one, 1.0), (two, 2.0)):
        folder.mkdir()
        (folder / "helper.py").write_text(f"VALUE = {value}\n")
    leaves = """
    import atexit, os, random, builtins, helper
    atexit.register(lambda: open(os.path.join(sys.path[0], "ended"), "w").close())
    nn.functional.relu = nn.ReLU.forward = lambda *_, **__: 1 / 0
    torch.set_default_dtype(torch.float64)
    builtins.LEFT = 1
    os.environ["LEFT"] = "1"
    os.chdir("/")
    """
    says = """
    import builtins, os, helper, random
    import numpy as np
    assert not hasattr(builtins, "LEFT") and "LEFT" not in os.environ
    assert torch.get_default_dtype() is torch.float32 and os.getcwd() != "/"
    drawn = [random.random(), np.random.random(), torch.rand(1).item()]
    arm.report(helper.VALUE + sum(drawn))
    """
    says = WHOLE + dedent(says)
    first = outcome_of(ref_of(two, says), workforce, to_epoch=4)
    spoiling = outcome_of(
        ref_of(one, HEAD + APPLY.replace("x)", "x)\n") + TRAIN + dedent(leaves)), workforce
    )
    again = outcome_of(ref_of(two, says), workforce, to_epoch=4)
    assert spoiling.ended is None
    assert (one / "ended").exists()
    assert [epoch.score for epoch in first.curve] == [epoch.score for epoch in again.curve]
    assert first.curve[-1].score > 2


# --- what is refused ------------------------------------------------------------------------------

BEFORE_TRAINING = {
    "it never asks": ("print('trained')\n", ["ended without asking advisor", "arm.apply(model"]),
    "it never applies": (HEAD + "pass\n", ["ended without asking advisor"]),
    "it raises": (HEAD + "1 / 0\n", ["ZeroDivisionError", "train.py:", "python train.py"]),
    "it cannot be read": ("def f(:\n", ["train.py:1", "cannot be read"]),
    "it exits": (HEAD + "sys.exit(3)\n", ["exit code 3", "train.py:"]),
    "it exits well before it trains": (HEAD + "sys.exit(0)\n", ["ended without asking"]),
    "it ends its process": (HEAD + "import os\nos._exit(4)\n", ["exit code 4", "train.py:"]),
    "it applies twice": (HEAD + APPLY + APPLY + TRAIN, ["a second time", "train.py:13, arm.apply"]),
    "it applies to no model": (HEAD + "arm.apply(x, x)\n", ["torch.nn.Module", "train.py:12"]),
    "it gives no batch": (HEAD + "arm.apply(model, None)\n", ["no batch", "next(iter(loader))"]),
    "it gives another batch": (
        HEAD + "arm.apply(model, torch.zeros(3, 5))\n",
        ["cannot be called with this batch", "train.py:12"],
    ),
    "it asks for no rate": (HEAD + APPLY + "arm.lr('fast')\n", ["arm.lr('fast')", "one number"]),
    "it asks for a rate of 0": (HEAD + APPLY + "arm.lr(0)\n", ["above 0"]),
    "it asks for no epochs": (HEAD + APPLY + "arm.epochs(0)\n", ["1 or more"]),
    "its optimizer is built before": (
        HEAD + "optimizer = torch.optim.SGD(model.parameters(), 0.1)\n" + APPLY + TRAIN,
        ["SGD was built for the model before", "train.py:13"],
    ),
    "it reports text before it trains": (
        HEAD + APPLY + "arm.report('much')\n",
        ["arm.report('much')", "one number"],
    ),
}


@pytest.mark.parametrize("fault", BEFORE_TRAINING)
def test_a_script_at_fault_is_refused_before_it_is_trained(fault, tmp_path, workforce):
    text, told = BEFORE_TRAINING[fault]
    with pytest.raises(InputError) as caught:
        opened(ref_of(tmp_path, text), workforce)
    message = str(caught.value)
    assert all(words in message for words in told), message
    assert "\n" not in message


STEPS = "optimizer.step()\n"
IN_TRAINING = {
    "it never reports": (
        WHOLE.replace("arm.report(right.mean())", "pass"),
        Ended.FAILED,
        ["ended without arm.report(score)"],
    ),
    "it reports text": (
        WHOLE.replace("right.mean())", "'good')"),
        Ended.FAILED,
        ["arm.report('good')", "train.py:22", "one number"],
    ),
    "it reports a column": (
        WHOLE.replace("arm.report(right.mean())", "arm.report(right)"),
        Ended.FAILED,
        ["one number"],
    ),
    "it reports NaN": (
        WHOLE.replace("right.mean())", "float('nan'))"),
        Ended.NOT_FINITE,
        ["became nan in epoch 1"],
    ),
    "it reports too often": (
        WHOLE + "    arm.report(1)\n",
        Ended.FAILED,
        ["epoch 4", "its first training had 3", "train.py:25"],
    ),
    "it raises later": (WHOLE + "raise KeyError('late')\n", Ended.FAILED, ["late", "train.py:25"]),
    "it exits with a fault": (
        WHOLE + "sys.exit(3)\n",
        Ended.FAILED,
        ["exit (SystemExit: 3)", "train.py:25"],
    ),
    "it gives rows of pairs": (
        WHOLE.replace("arm.rows(right)", "arm.rows(model(x))"),
        Ended.FAILED,
        ["(48, 2)", "one number for each row"],
    ),
    "it gives rows of text": (
        WHOLE.replace("arm.rows(right)", "arm.rows('right')"),
        Ended.FAILED,
        ["arm.rows(values)", "one number for each row"],
    ),
    "it gives rows that are not finite": (
        WHOLE.replace("arm.rows(right)", "arm.rows(right / 0 * 0)"),
        Ended.NOT_FINITE,
        ["not finite"],
    ),
}


@pytest.mark.parametrize("fault", IN_TRAINING)
def test_a_training_at_fault_has_one_message(fault, tmp_path, workforce):
    text, ended, told = IN_TRAINING[fault]
    outcome = outcome_of(ref_of(tmp_path, text), workforce, measures=True)
    assert outcome.ended is ended
    assert all(words in outcome.why for words in told), outcome.why


def test_a_script_may_print_change_its_folder_exit_well_and_ask_twice(tmp_path, workforce):
    harmless = "import os\nos.chdir('/')\nprint('x' * 10**5)\nassert advisor.arm() is arm\n"
    ref = ref_of(tmp_path, WHOLE + harmless + "sys.exit()\n")
    before = os.getcwd()
    assert outcome_of(ref, workforce).ended is None
    assert os.getcwd() == before


def test_what_is_caught_by_the_script_ends_it_nevertheless(tmp_path, workforce):
    text = WHOLE.replace(
        "    arm.report(right.mean())\n",
        "    try:\n        arm.report('good')\n    except Exception:\n        pass\n",
    )
    assert outcome_of(ref_of(tmp_path, text), workforce).ended is Ended.FAILED


def test_a_loss_that_is_reported_as_a_score_is_asked_about(tmp_path, workforce):
    text = WHOLE.replace("arm.report(right.mean())", "arm.report(3.0 / epoch)")
    prepared = opened(ref_of(tmp_path, text), workforce)
    job = replace(job_of(prepared), to_epoch=ANY_EPOCHS)
    with pytest.raises(InputError, match="--minimize"):
        first_of_script(prepared, job, workforce)
    prepared = opened(ref_of(tmp_path, text, minimize=True), workforce)
    job = replace(job_of(prepared), to_epoch=ANY_EPOCHS)
    assert first_of_script(prepared, job, workforce)[1] == 3
    assert prepared.criterion.direction == "minimize"


def test_epochs_that_a_script_does_not_ask_for_are_refused(tmp_path, workforce):
    text = WHOLE.replace("arm.epochs(3)", "3")
    prepared = opened(ref_of(tmp_path, text, changes={"epochs": 5}), workforce)
    job = replace(job_of(prepared), to_epoch=ANY_EPOCHS)
    with pytest.raises(InputError, match=r"--epochs 5: the script trained for 3"):
        first_of_script(prepared, job, workforce)
    prepared = opened(ref_of(tmp_path, WHOLE, changes={"epochs": 5}), workforce)
    job = replace(job_of(prepared), to_epoch=ANY_EPOCHS)
    assert first_of_script(prepared, job, workforce)[1] == 5
