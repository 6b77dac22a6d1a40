"""The printed lines and the whole code of a recommendation, run as they are in a fresh process."""

from __future__ import annotations

import json
import random
import re
import statistics
import subprocess
import sys
from itertools import takewhile

import pytest
import scipy.stats

import advisor

NET = """\
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs, width=12):
        super().__init__()
        layers = [nn.Linear(inputs, width), nn.Sigmoid()]
        layers += [layer for _ in range(3) for layer in (nn.Linear(width, width), nn.Sigmoid())]
        self.body = nn.Sequential(*layers, nn.Linear(width, 1))

    def forward(self, x):
        return self.body(x)
"""
WORDS = """\
from torch import nn

class Words(nn.Module):
    def __init__(self, vocab_size, classes):
        super().__init__()
        self.words = nn.Embedding(vocab_size, 8, padding_idx=0)
        self.body = nn.Sequential(nn.Linear(8, 12), nn.Tanh(), nn.Linear(12, classes))

    def forward(self, ids):
        return self.body(self.words(ids).mean(1))
"""
CONV = """\
from torch import nn

def conv(channels, classes):
    return nn.Sequential(nn.Conv2d(channels, 4, 3), nn.Tanh(), nn.Conv2d(4, 4, 3), nn.Tanh(),
                         nn.Flatten(), nn.Linear(4 * 4 * 4, classes))
"""
STUDY = """\
import functools
import torch
from torch import nn
import advisor

def data():
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(200, 4, generator=generator)
    noise = torch.randn(200, generator=generator) / 4
    return x, (x.sum(1) + noise > 0).long()

def net():
    hidden = [layer for _ in range(3) for layer in (nn.Linear(16, 16), nn.Sigmoid())]
    return nn.Sequential(nn.Linear(4, 16), nn.Sigmoid(), *hidden, nn.Linear(16, 2))

def warm(optimizer, steps):
    return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: min(1, (step + 1) / (steps / 3)))

def fit(run):
    optimizer = torch.optim.SGD(run.model.parameters(), lr=run.lr, momentum=.9)
    for _ in range(run.epochs):
        run.model.train()
        for x, y in run.loader(run.train):
            optimizer.zero_grad()
            run.loss(run.model(x), y).backward()
            optimizer.step()
        yield

only = {{"activation": ["relu"], "initializer": ["he"], "embedding": [], "pretraining": []}}
study = advisor.Study("{name}", {task}, trials=6, epochs=6, seeds=5, only=only)
"""
LAMBDA = 'advisor.Task(lambda: net(), "rows.csv", target="label")'
RECIPE = """advisor.Task(net, data, optimizer=functools.partial(torch.optim.SGD, lr=.05, momentum=.9),
                     scheduler=warm, clip=1.0, batch=16)"""
FIT = "advisor.Task(net, data, fit=fit, lr=.1, weight_decay=.01, batch=8)"
ONLY = ("--only", "activation=relu", "--only", "initializer=he", "--only", "pretraining=keep")
SMALL = (*ONLY, "--trials", 6, "--epochs", 6, "--seeds", 5)
REPLAY = """\
import json, runpy, sys
results = {}
for kind, lines in json.load(open("lines.json")).items():
    names = {}
    exec(lines, names)
    whole = runpy.run_path(f"{kind}_whole.py")
    best, model = names["best"], names["model"]
    pairs = zip(model.parameters(), whole["model"].parameters(), strict=True)
    results[kind] = {
        "first": whole["trained"].score,
        "same": all(one.equal(other) for one, other in pairs),
        "again": [best.train(seed).score for seed in best.measuring_seeds],
        "others": [best.train(seed).score for seed in range(int(sys.argv[1]))],
    }
json.dump(results, open("results.json", "w"))
"""


def numbers(folder):
    draw = random.Random(0)
    lines = ["a,b,c,kind,label"]
    for _ in range(200):
        a, b, c = (draw.gauss(0, 1) for _ in range(3))
        kind = draw.choice(["flat", "house"])
        lines.append(f"{a:.3f},{b:.3f},{c:.3f},{kind},{a - b + (kind == 'flat') + c:.3f}")
    (folder / "houses.csv").write_text("\n".join(lines))
    (folder / "net.py").write_text(NET)
    return ("--model", "net.py:Net", "--data", "houses.csv", "--target", "label")


def text(folder):
    draw = random.Random(0)
    words = (["warm", "sun", "day", "light", "and"], ["cold", "rain", "night", "snow", "and"])
    lines = ["text,label"]
    lines += [f"{' '.join(draw.choices(words[i % 2], k=5))},{'ab'[i % 2]}" for i in range(120)]
    (folder / "texts.csv").write_text("\n".join(lines))
    (folder / "words.py").write_text(WORDS)
    return ("--model", "words.py:Words", "--data", "texts.csv", "--target", "label")


def images(folder):
    from PIL import Image

    draw = random.Random(0)
    for i in range(80):
        image = Image.new("L", (8, 8))
        bright = draw.sample(range(32), 20)
        image.putdata([255 * (at // 2 in bright) * (at % 2 == i % 2) for at in range(64)])
        place = folder / "pictures" / ("odd" if i % 2 else "even")
        place.mkdir(parents=True, exist_ok=True)
        image.save(place / f"{i}.png")
    (folder / "conv.py").write_text(CONV)
    return ("--model", "conv.py:conv", "--data", "pictures")


def a_file(name, task):
    def made(folder):
        draw = random.Random(1)
        lines = ["a,b,c,d,label"]
        for _ in range(200):
            row = [draw.gauss(0, 1) for _ in range(4)]
            lines.append(",".join([*(f"{each:.3f}" for each in row), "ab"[row[0] + row[1] > 0]]))
        (folder / "rows.csv").write_text("\n".join(lines))
        (folder / f"{name}-study.py").write_text(STUDY.format(name=name, task=task))
        return (f"{name}-study.py",)

    return made


@pytest.fixture(autouse=True)
def wide(monkeypatch):
    """A terminal in which no line is shortened."""
    monkeypatch.setenv("COLUMNS", "300")


KINDS = {
    "csv": numbers,
    "text": text,
    "images": images,
    "lambda": a_file("lambda", LAMBDA),
    "recipe": a_file("recipe", RECIPE),
    "fit": a_file("fit", FIT),
}
"""What makes the files of a study, and gives the words of the command that asks about them."""


def replayed(advise, tmp_path, kinds, settings=(), others=4):
    """The recommendations of some studies, and what their lines give in one fresh process."""
    answers, lines = {}, {}
    for kind in kinds:
        words = KINDS[kind](tmp_path)
        if not words[0].endswith(".py"):
            words = (*words, "--name", kind, *SMALL)
        said = advise("tune", *words, *settings, "--workers", 0, "--storage", "runs.db")
        assert said.code == 0, said.err
        answers[kind] = advisor.recommendation(kind, "runs.db")
        printed = printed_lines(said.out)
        assert printed == answers[kind].lines_to_apply
        assert len(printed) <= 4
        lines[kind] = "\n".join(printed)
        whole = advise("show", kind, "--apply", "--storage", "runs.db")
        (tmp_path / f"{kind}_whole.py").write_text(whole.out)
    (tmp_path / "lines.json").write_text(json.dumps(lines))
    (tmp_path / "replay.py").write_text(REPLAY)
    done = subprocess.run(
        [sys.executable, "replay.py", str(others)],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "Warning" not in done.stderr
    return answers, json.loads((tmp_path / "results.json").read_text())


def printed_lines(screen):
    """The lines of Python of a first screen."""
    found = re.search("\n  (apply|train)   ", screen)
    assert found
    first, *others = screen[found.end() :].splitlines()
    return [first, *(line[10:] for line in takewhile(lambda line: line[:10].isspace(), others))]


def check(answer, result):
    """A measuring seed gives its score, and other seeds lie where new ones are to be expected."""
    recorded = answer.recommended.scores
    assert len(answer.measuring_seeds) == len(recorded)
    assert result["again"] == pytest.approx(recorded, abs=1e-6)
    assert result["first"] == pytest.approx(recorded[0], abs=1e-6)
    assert result["same"]
    count, mean = len(recorded), statistics.fmean(recorded)
    deviation = statistics.stdev(recorded) * (1 + 1 / count) ** 0.5
    reach = scipy.stats.t.ppf(0.995, count - 1) * deviation
    assert all(abs(score - mean) <= reach for score in result["others"]), (recorded, result)


def test_printed_lines_and_the_whole_code_train_the_recommendation_in_a_fresh_process(
    advise, tmp_path
):
    small = ("--seeds", 3, "--trials", 4)
    answers, results = replayed(advise, tmp_path, ["csv", "fit"], small, others=1)
    for kind, answer in answers.items():
        check(answer, results[kind])
    # What a loop never reads is not written as if it did something.
    assert answers["fit"].rates == ["training.lr"]
    for code in ("\n".join(answers["fit"].apply_with), answers["fit"].apply_code):
        assert "weight_decay=" not in code.replace("weight_decay=0.01,", "")


@pytest.mark.proof
def test_studies_of_six_kinds_are_applied_by_what_is_printed(advise, tmp_path):
    answers, results = replayed(advise, tmp_path, KINDS)
    for kind, answer in answers.items():
        check(answer, results[kind])
    assert any(answer.changed for answer in answers.values())
