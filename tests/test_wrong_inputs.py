"""Wrong inputs at every door, in one table: each is refused in one message, and leaves nothing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, IterableDataset

import advisor
from advisor.errors import InputError

SECONDS = 30
"""How long a refusal may take on a busy machine."""
LONG = "n" * 300
"""A name that no file can have."""
NO_UTF8 = "caf\udce9"
"""What Python makes of bytes that are no UTF-8."""

NET = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self, inputs=2, outputs=2):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(inputs, 4), nn.Tanh(), nn.Linear(4, outputs))

    def forward(self, x):
        return self.body(x)

class Empty(nn.Module):
    def forward(self, x):
        return x

number = 3
"""


# --- what the table is made of ------------------------------------------------------------------


class Wrong(NamedTuple):
    """A wrong input.

    Attributes:
        what: it is called in the test's name.
        give: gives it to advisor, in the folder of the test; or the words of a command line.
        said: what the message must hold.
    """

    what: str
    give: Callable[[], object] | tuple[str, ...]
    said: tuple[str, ...]


class Net(nn.Module):
    """A net for the rows of `pair`."""

    def __init__(self, outputs: int = 2) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 8), nn.Linear(8, outputs)

    def forward(self, x):
        return self.last(torch.relu(self.first(x)))


def pair(rows: int = 60) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs of four numbers and two classes."""
    draw = torch.Generator().manual_seed(0)
    y = torch.arange(rows) % 2
    return torch.randn(rows, 4, generator=draw) + y[:, None], y


def task(build: Any = Net, data: Any = None, **more: Any) -> advisor.Task:
    """A task that is right but for what is given."""
    return advisor.Task(build, pair() if data is None else data, **more)


def study(**more: Any) -> advisor.Study:
    """A study that is right but for what is given."""
    return advisor.Study(**{"name": "s", "task": task(), "trials": 1, "epochs": 1, **more})


def tuned(asked: Any, **more: Any) -> object:
    """What becomes of a study."""
    return advisor.tune(asked, **{"storage": "s.db", "workers": 0, **more})


def of_task(what: str, *said: str, **given: Any) -> Wrong:
    """A task that is refused when it is made."""
    return Wrong(f"Task({what})", lambda: task(**given), said)


def of_study(what: str, *said: str, **given: Any) -> Wrong:
    """A study that is refused when it is made."""
    return Wrong(f"Study({what})", lambda: study(**given), ("Study", *said))


def opened(what: str, *said: str, **given: Any) -> Wrong:
    """A task that is refused when its study is opened."""
    return Wrong(what, lambda: tuned(study(task=task(**given))), said)


# --- models, losses, metrics and data that are wrong -------------------------------------------


class WithoutLayers(nn.Module):
    def forward(self, x):
        return x[:, :2]


class InAList(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = [nn.Linear(4, 2)]

    def forward(self, x):
        return self.layers[0](x)


class Frozen(Net):
    def __init__(self) -> None:
        super().__init__()
        self.requires_grad_(requires_grad=False)


class Detached(Net):
    def forward(self, x):
        return super().forward(x).detach()


class Without(Net):
    def forward(self):
        return None


class GivesNothing(Net):
    def forward(self, x):
        return None


class GivesText(Net):
    def forward(self, x):
        return "two"


class GivesOneRow(Net):
    def forward(self, x):
        return super().forward(x)[:1]


class GivesClasses(Net):
    def forward(self, x):
        return super().forward(x).argmax(1)


class ScalarNet(Net):
    def forward(self, x):
        return super().forward(x).sum()


class Exits(Net):
    def __init__(self) -> None:
        sys.exit(3)


SHARED = Net()


def loss_of_rows(output, target):
    return nn.functional.cross_entropy(output, target, reduction="none")


def loss_as_float(output, target):
    return nn.functional.cross_entropy(output, target).item()


def loss_detached(output, target):
    return nn.functional.cross_entropy(output, target).detach()


def loss_of_integers(output, target):
    return (output.argmax(1) != target).sum()


def no_loss(output, target):
    return None


def loss_of_three(output, target, weight):
    return nn.functional.cross_entropy(output, target) * weight


def loss_that_raises(output, target):
    raise KeyError("weights")


def loss_that_exits(output, target):
    sys.exit(0)


def metric_as_text(output, target):
    return "good"


def no_metric(output, target):
    return None


def metric_of_rows(output, target):
    return (output.argmax(1) == target).float()


def metric_of_complex(output, target):
    return 1j


def huge_metric(output, target):
    return 1e308


def metric_that_raises(output, target):
    raise ValueError("no such score")


def metric_of_one(output):
    return 1.0


class Rows(Dataset):
    """A Dataset of 60 rows."""

    def __len__(self) -> int:
        return 60

    def __getitem__(self, row):
        if row >= 60:
            raise IndexError(row)
        return torch.ones(4) * row, row % 2


class FloatLength(Rows):
    def __len__(self):
        return 60.0


class NegativeLength(Rows):
    def __len__(self):
        return -1


class TextLength(Rows):
    def __len__(self):
        return "60"


class RaisesLength(Rows):
    def __len__(self):
        raise OSError("no index file")


class TooLong(Rows):
    def __len__(self):
        return 90


class MuchTooLong(Rows):
    def __len__(self):
        return 10**15


class NoLength(Rows):
    __len__ = None


class NoItems(Rows):
    def __len__(self):
        return 0


class GivesNone(Rows):
    def __getitem__(self, row):
        return None


class NoneInside(Rows):
    def __getitem__(self, row):
        return (None, row % 2) if row == 37 else super().__getitem__(row)


class FailsLate(Rows):
    def __getitem__(self, row):
        if row == 37:
            raise RuntimeError("bad file")
        return super().__getitem__(row)


class FailsLateAndRandom(FailsLate):
    def __getitem__(self, row):
        x, y = super().__getitem__(row)
        return x + torch.randn(4), y


class FailsBetween(FailsLateAndRandom):
    targets = torch.arange(60) % 2

    def __getitem__(self, row):
        if row == 1:
            raise RuntimeError("bad file")
        return Rows.__getitem__(self, row)[0] + torch.randn(4), row % 2


class UnevenItems(Rows):
    def __getitem__(self, row):
        return torch.ones(4 + row % 2), row % 2


class NotSubscriptable:
    def __len__(self) -> int:
        return 60


class Stream(IterableDataset):
    def __iter__(self):
        yield torch.ones(4), 0


def collate_badly(items):
    return 3


def collate_raising(items):
    raise ValueError("no collating")


def gives_nothing():
    return None


def gives_a_number():
    return 7


def gives_three():
    return (*pair(), 3)


async def gives_later():
    return pair()


def gives_in_turn():
    yield pair()


def wants_a_folder(folder):
    return pair()


def fails():
    raise ConnectionError("no network")


def exits():
    sys.exit("no data")


def frame() -> pd.DataFrame:
    return pd.DataFrame({"a": np.arange(60.0), "label": ["p", "q"] * 30})


TASKS = [
    # Fields that are none of their type.
    of_task("build=None", "build", "None", build=None),
    of_task("build='Net'", "build", "'Net'", build="Net"),
    of_task("build=3", "build", "3", build=3),
    of_task("loss='mse'", "loss", "'mse'", "function", loss="mse"),
    of_task("loss=3", "loss", "3", loss=3),
    of_task("loss=a class", "loss", "CrossEntropyLoss()", loss=nn.CrossEntropyLoss),
    of_task("loss=a list", "loss", loss=[nn.CrossEntropyLoss()]),
    of_task("metric=3", "metric", "3", metric=3),
    of_task("metric=''", "metric", metric=""),
    of_task("metric=a list", "metric", metric=["accuracy"]),
    of_task("metric=a class", "metric", "Net()", metric=Net),
    of_task("batch=0", "batch", "0", batch=0),
    of_task("batch=1.5", "batch", "1.5", batch=1.5),
    of_task("batch=True", "batch", "True", batch=True),
    of_task("batch='32'", "batch", "'32'", batch="32"),
    of_task("batch beyond 64 bits", "batch", batch=10**30),
    of_task("kind='clustering'", "kind", "clustering", kind="clustering"),
    of_task("kind=3", "kind", "3", kind=3),
    of_task("kind=a list", "kind", kind=["binary"]),
    of_task("kind='Binary'", "kind", "Did you mean 'binary'", kind="Binary"),
    of_task("arguments=3", "arguments", "3", arguments=3),
    of_task("arguments=a list", "arguments", arguments=["width"]),
    of_task("arguments=None", "arguments", "None", arguments=None),
    of_task("arguments={1: 2}", "arguments", "1", arguments={1: 2}),
    of_task("output=1.5", "output", "1.5", output=1.5),
    of_task("output=True", "output", "True", output=True),
    of_task("output=''", "output", output=""),
    of_task("include='0'", "include", "['0']", include="0"),
    of_task("include=3", "include", "3", include=3),
    of_task("include=None", "include", "None", include=None),
    of_task("exclude=[1]", "exclude", "1", exclude=[1]),
    of_task("vectors=3", "vectors", "3", vectors=3),
    of_task("vectors=''", "vectors", vectors=""),
    of_task("target=1.5", "target", "1.5", target=1.5),
    of_task("target=''", "target", target=""),
    of_task("target=True", "target", "True", target=True),
    Wrong("Task(no data)", lambda: advisor.Task(Net), ("data=…", "train=…")),
    Wrong("Task(data and train)", lambda: task(train=pair()), ("data=…", "train=…")),
]

STUDIES = [
    of_study("name=''", "name", name=""),
    of_study("name=blanks", "name", name=" \t"),
    of_study("name=None", "name", "None", name=None),
    of_study("name=3", "name", "3", name=3),
    of_study("a name over 255", "name", "255", name=LONG),
    of_study("a name of two lines", "name", name="a\nb"),
    of_study("a name with NUL", "name", name="a\0b"),
    of_study("a name that is not UTF-8", "name", "UTF-8", name=NO_UTF8),
    of_study("task=None", "task", "None", task=None),
    of_study("task=Net", "task", "Net", task=Net),
    of_study("trials=0", "trials", "0", trials=0),
    of_study("trials=2.5", "trials", "2.5", trials=2.5),
    of_study("trials=True", "trials", "True", trials=True),
    of_study("trials='9'", "trials", "'9'", trials="9"),
    of_study("trials=None", "trials", "None", trials=None),
    of_study("trials=nan", "trials", "nan", trials=float("nan")),
    of_study("trials beyond 64 bits", "trials", trials=10**30),
    of_study("minutes=0", "minutes", "0", minutes=0),
    of_study("minutes=-1", "minutes", "-1", minutes=-1),
    of_study("minutes=nan", "minutes", "nan", minutes=float("nan")),
    of_study("minutes=inf", "minutes", "inf", "leave it out", minutes=float("inf")),
    of_study("minutes='5'", "minutes", "'5'", minutes="5"),
    of_study("minutes=True", "minutes", "True", minutes=True),
    of_study("minutes=1j", "minutes", "1j", minutes=1j),
    of_study("minutes too many for a float", "minutes", minutes=10**400),
    of_study("trial_minutes=inf", "trial_minutes", "inf", trial_minutes=float("inf")),
    of_study("trial_minutes=[1]", "trial_minutes", "[1]", trial_minutes=[1]),
    of_study("epochs=0", "epochs", "0", epochs=0),
    of_study("epochs=1.0", "epochs", "1.0", epochs=1.0),
    of_study("epochs beyond 64 bits", "epochs", epochs=10**30),
    of_study("seed=None", "seed", "None", seed=None),
    of_study("seed=1.5", "seed", "1.5", seed=1.5),
    of_study("seed='0'", "seed", "'0'", seed="0"),
    of_study("seed=2**64", "seed", "64", seed=2**64),
    of_study("seed=-2**70", "seed", seed=-(2**70)),
    of_study("seeds=2", "seeds", "3", seeds=2),
    of_study("seeds=inf", "seeds", "inf", seeds=float("inf")),
    of_study("only='elu'", "only", "'elu'", only="elu"),
    of_study("only=['elu']", "only", "elu", only=["elu"]),
    of_study("only={'activation': None}", "only", "None", only={"activation": None}),
    of_study("only={'activation': 'elu'}", "['elu']", only={"activation": "elu"}),
    of_study("only={'activation': [3]}", "only", "3", only={"activation": [3]}),
    of_study("only={3: ['elu']}", "only", "3", only={3: ["elu"]}),
    of_study("min_gain=nan", "min_gain", "nan", min_gain=float("nan")),
    of_study("min_gain=inf", "min_gain", "inf", min_gain=float("inf")),
    of_study("min_gain=-1", "min_gain", "-1", min_gain=-1),
    of_study("artefact_share=0", "artefact_share", "0", artefact_share=0),
    of_study("artefact_share=None", "artefact_share", "None", artefact_share=None),
    of_study("min_gain='0.1'", "min_gain", "'0.1'", min_gain="0.1"),
    of_study("reach=nan", "reach", "nan", reach=float("nan")),
    of_study("reach=inf", "reach", "inf", reach=float("inf")),
    of_study("reach='0.9'", "reach", "'0.9'", reach="0.9"),
    of_study("noise=nan", "noise", "nan", noise=float("nan")),
    of_study("noise=inf", "noise", "inf", noise=float("inf")),
    of_study("noise=-0.1", "noise", "-0.1", noise=-0.1),
    of_study("noise=True", "noise", "True", noise=True),
]

CALLS = [
    Wrong("tune(3)", lambda: tuned(3), ("3", "advisor.Study")),
    Wrong("tune(None)", lambda: tuned(None), ("None", "advisor.Study")),
    Wrong("tune(a task)", lambda: tuned(task()), ("Task", "advisor.Study")),
    Wrong("tune('')", lambda: tuned(""), ("study",)),
    Wrong("tune(workers=-1)", lambda: tuned(study(), workers=-1), ("workers", "-1")),
    Wrong("tune(workers='2')", lambda: tuned(study(), workers="2"), ("workers", "'2'")),
    Wrong("tune(workers=1.5)", lambda: tuned(study(), workers=1.5), ("workers", "1.5")),
    Wrong("tune(storage=3)", lambda: tuned(study(), storage=3), ("storage", "3")),
    Wrong("tune(device=None)", lambda: tuned(study(), device=None), ("device", "None")),
    Wrong("tune(device='meta')", lambda: tuned(study(), device="meta"), ("device", "meta")),
    Wrong("tune(device='tpu')", lambda: tuned(study(), device="tpu"), ("device", "tpu")),
    Wrong("tune(plugins='p.py')", lambda: tuned(study(), plugins="p.py"), ("plugins", "['p.py']")),
    Wrong("tune(plugins=[3])", lambda: tuned(study(), plugins=[3]), ("plugins", "3")),
    Wrong("tune(on=3)", lambda: tuned(study(), on=3), ("on=", "3")),
    Wrong("diagnose(steps=-1)", lambda: advisor.diagnose(study(), steps=-1), ("steps", "-1")),
    Wrong("diagnose(steps='2')", lambda: advisor.diagnose(study(), steps="2"), ("steps", "'2'")),
    Wrong("diagnose(3)", lambda: advisor.diagnose(3), ("3", "advisor.Study")),
    Wrong("recommendation(3)", lambda: advisor.recommendation(3, storage="s.db"), ("3",)),
    Wrong("recommendation(storage=3)", lambda: advisor.recommendation("s", storage=3), ("3",)),
]

MODELS = [
    opened("a model without a layer", "WithoutLayers", "parameter", build=WithoutLayers),
    opened("a model that is frozen", "Frozen", "parameter", build=Frozen),
    opened("a model whose output has no gradient", "Detached", "gradient", build=Detached),
    opened("a model of plain lists", "nn.ModuleList", build=InAList),
    opened("a model that takes nothing", "Without", build=Without),
    opened("a model that gives nothing", "NoneType", build=GivesNothing),
    opened("a model that gives a text", "str", build=GivesText),
    opened("a model that gives one row", "(1, 2)", "32 rows", build=GivesOneRow),
    opened("a model that gives class numbers", "int64", build=GivesClasses),
    opened("a model that gives one number", "single number", build=ScalarNet),
    opened("a model that ends the program", "sys.exit(3)", build=Exits),
    opened(
        "a model with too few outputs", "2 classes", build=lambda: Net(1), kind="classification"
    ),
    opened("a model object", "fresh", build=SHARED),
    opened("a function that gives one model twice", "same model", build=lambda: SHARED),
    opened("a function that gives a class", "type", build=lambda: Net),
    opened("a function that gives nothing", "NoneType", build=gives_nothing),
    opened("a function that raises", "no network", build=fails),
    opened("arguments the model has not", "'width'", arguments={"width": 3}),
    opened("arguments of a wrong type", "outputs='two'", arguments={"outputs": "two"}),
    opened("an output that is not there", "leave out", output="logits"),
    opened("a pattern of no site", "nowhere.*", exclude=["nowhere.*"]),
]

LOSSES = [
    opened("a loss per row", "loss_of_rows", "(32,)", "mean", loss=loss_of_rows),
    opened("a loss that is a float", "loss_as_float", "float", loss=loss_as_float),
    opened("a loss without gradient", "loss_detached", "gradient", loss=loss_detached),
    opened("a loss of whole numbers", "loss_of_integers", "int64", loss=loss_of_integers),
    opened("a loss that gives nothing", "no_loss", "None", loss=no_loss),
    opened("a loss of three arguments", "loss_of_three", "weight", loss=loss_of_three),
    opened("a loss that raises", "loss_that_raises", "KeyError", loss=loss_that_raises),
    opened("a loss that ends the program", "sys.exit(0)", loss=loss_that_exits),
    opened("a loss for other targets", "MSELoss", loss=nn.MSELoss()),
    opened("a metric that gives a text", "metric_as_text", "'good'", metric=metric_as_text),
    opened("a metric that gives nothing", "no_metric", "None", metric=no_metric),
    opened("a metric per row", "metric_of_rows", "one number", metric=metric_of_rows),
    opened("a metric of complex numbers", "metric_of_complex", metric=metric_of_complex),
    opened("a metric of 1e308", "huge_metric", "1e+308", metric=huge_metric),
    opened("a metric that raises", "metric_that_raises", "such score", metric=metric_that_raises),
    opened("a metric of one argument", "metric_of_one", metric=metric_of_one),
    opened("no metric's name", "'acuracy'", "Did you mean 'accuracy'", metric="acuracy"),
    opened("a metric of another kind", "'r2'", metric="r2"),
]

DATA = [
    opened("a Dataset with a length of 60.0", "FloatLength", "float", data=FloatLength()),
    opened("a Dataset with a length below 0", "NegativeLength", data=NegativeLength()),
    opened("a Dataset with a text as length", "TextLength", data=TextLength()),
    opened("a Dataset whose length raises", "no index file", data=RaisesLength()),
    opened("a Dataset with too great a length", "item", data=TooLong()),
    opened("a Dataset with much too great a length", "item", data=MuchTooLong()),
    opened("a Dataset whose length is None", "NoLength", data=NoLength()),
    opened("a Dataset without items", "no items", data=NoItems()),
    opened("a Dataset of None", "(x, y)", data=GivesNone()),
    opened("a Dataset with None in an item", "item", data=NoneInside()),
    opened("a Dataset with a bad item", "item 37", "bad file", data=FailsLate()),
    opened("a random Dataset with a bad item", "bad file", data=FailsLateAndRandom()),
    opened("a random Dataset with labels and a bad item", "bad file", data=FailsBetween()),
    opened("a Dataset of uneven items", "do not fit together", data=UnevenItems()),
    opened("a Dataset that is a stream", "map-style", data=Stream()),
    opened("a Dataset class", "Rows(…)", "class", data=Rows),
    opened("a DataLoader class", "DataLoader", "class", data=DataLoader),
    opened("a DataFrame class", "DataFrame", "class", data=pd.DataFrame),
    opened("rows without indexes", "NotSubscriptable", data=NotSubscriptable()),
    opened(
        "a DataLoader of wrong batches",
        "collate_fn",
        data=DataLoader(Rows(), 8, collate_fn=collate_badly),
    ),
    opened(
        "a DataLoader that fails",
        "no collating",
        data=DataLoader(Rows(), 8, collate_fn=collate_raising),
    ),
    opened("a DataLoader of a float length", "float", data=DataLoader(FloatLength(), 8)),
    opened("a function that gives no data", "gives_nothing", "None", data=gives_nothing),
    opened("a function that gives a number", "gives_a_number", "int", data=gives_a_number),
    opened("a function that gives three", "tuple of 3", data=gives_three),
    opened("an async function", "gives_later", data=gives_later),
    opened("a generator", "gives_in_turn", data=gives_in_turn),
    opened("a function with an argument", "wants_a_folder", "folder", data=wants_a_folder),
    opened("a data function that raises", "no network", data=fails),
    opened("a data function that ends the program", "sys.exit", data=exits),
    opened("a number as data", "data=7", data=7),
    opened("an array without targets", "no targets", data=np.ones((60, 4))),
    opened("no rows", "rows", data=(torch.ones(0, 4), torch.ones(0))),
    opened("too few rows", "10", data=(torch.ones(3, 4), torch.arange(3))),
    opened("fewer targets than rows", "60", "59", data=(pair()[0], pair()[1][:59])),
    opened("one number as inputs", "shape ()", data=(torch.tensor(1.0), torch.tensor(1))),
    opened("one number as targets", "()", data=(pair()[0], torch.tensor(1))),
    opened("None as targets", "y", data=(pair()[0], None)),
    opened("targets of three dimensions", "(60, 2, 2)", data=(pair()[0], torch.ones(60, 2, 2))),
    opened("complex inputs", "complex", data=(torch.ones(60, 4, dtype=torch.complex64), pair()[1])),
    opened("objects as inputs", "object", data=(np.full((60, 4), object()), pair()[1])),
    opened("dates as inputs", "datetime", data=(np.full((60, 4), np.datetime64("now")), pair()[1])),
    opened("ragged rows", "shapes", data=([[1.0] * (1 + i % 2) for i in range(60)], pair()[1])),
    opened("a target of one value", "one class only", data=(pair()[0], torch.ones(60))),
    opened("targets that are NaN", "NaN", data=(pair()[0], torch.full((60,), float("nan")))),
    opened("a key that is no split", "trian", data={"trian": pair(), "test": pair()}),
    opened("only a test split", "train", data={"test": pair()}),
    opened("no splits at all", "data", data={}),
    opened("a table's target that is not there", "'lable'", data=frame(), target="lable"),
    opened("a table without its target", "target", data=frame()[["a"]]),
    opened("valid given twice", "twice", data={"train": pair(), "valid": pair()}, valid=pair()),
    opened("valid of another width", "valid", valid=(torch.ones(20, 5), pair()[1][:20])),
    opened("valid that is a table", "table", valid=frame(), target="label"),
    opened("a test split of 7", "test=7", test=7),
    opened("unlabeled rows of 7", "unlabeled=7", unlabeled=7),
    opened("a path with NUL", "NUL", data="a\0b.csv"),
    opened("a path over 255", "255", data=f"{LONG}.csv"),
    opened("a path that is not UTF-8", "UTF-8", data=f"{NO_UTF8}.csv"),
    opened("a path that is empty", "empty", data=""),
    opened("vectors that are not there", "vectors", vectors="no.vec"),
]


# --- what is typed ------------------------------------------------------------------------------


def typed(what: str, *said: str) -> Wrong:
    """A command line that is refused. Words are set apart by blanks; `''` is an empty one."""
    words = ["" if word == "''" else word for word in what.split()]
    words = [word.replace("=''", "=") for word in words]
    return Wrong(f"advisor {what}", tuple(words), said)


GIVEN = "--model net.py:Net --data data.csv --target label"
TUNE = f"tune {GIVEN} --workers 0 --trials 1 --epochs 1 --storage s.db"
WITH_NET = "tune --model net.py:Net --target label --workers 0 --trials 1 --epochs 1 --storage s.db"
WITH_DATA = "tune --data data.csv --target label --workers 0 --trials 1 --epochs 1 --storage s.db"

TYPED = [
    # Numbers that are none, or too large.
    typed(f"{TUNE} --trials 0", "--trials", "0"),
    typed(f"{TUNE} --trials many", "--trials", "many"),
    typed(f"{TUNE} --trials 1e3", "--trials", "1e3"),
    typed(f"{TUNE} --trials {10**30}", "trials", f"{10**30}"),
    typed(f"{TUNE} --epochs 0", "--epochs"),
    typed(f"{TUNE} --epochs {10**30}", "epochs"),
    typed(f"{TUNE} --minutes nan", "minutes", "nan"),
    typed(f"{TUNE} --minutes inf", "minutes", "inf", "leave it out"),
    typed(f"{TUNE} --minutes 0", "--minutes"),
    typed(f"{TUNE} --minutes -1", "--minutes"),
    typed(f"{TUNE} --minutes 1e400", "minutes", "inf"),
    typed(f"{TUNE} --trial-minutes inf", "--trial-minutes", "inf"),
    typed(f"{TUNE} --trial-minutes nan", "--trial-minutes", "nan"),
    typed(f"{TUNE} --reach nan", "reach", "nan"),
    typed(f"{TUNE} --reach -inf", "reach", "inf"),
    typed(f"{TUNE} --min-gain nan", "--min-gain", "nan"),
    typed(f"{TUNE} --artefact-share nan", "--artefact-share", "nan"),
    typed(f"{TUNE} --min-gain inf", "--min-gain", "inf"),
    typed(f"{TUNE} --noise nan", "noise", "nan"),
    typed(f"{TUNE} --noise inf", "noise", "inf"),
    typed(f"{TUNE} --seed {2**64}", "seed", f"{2**64}"),
    typed(f"{TUNE} --seed 1.5", "--seed", "1.5"),
    typed(f"{TUNE} --seeds 2", "--seeds", "2"),
    typed(f"{TUNE} --seeds {10**30}", "seeds"),
    typed(f"{TUNE} --workers -1", "--workers", "-1"),
    typed(f"{TUNE} --workers two", "--workers", "two"),
    typed(f"{TUNE} --workers {10**9}", "workers", f"{10**9}"),
    typed(f"diagnose {GIVEN} --steps -1", "--steps", "-1"),
    typed(f"diagnose {GIVEN} --steps {10**30}", "steps"),
    # Words that are empty, or not what an option takes.
    typed("''", "empty"),
    typed("tune --workers 0 ''", "empty"),
    typed(f"{WITH_DATA} --model=''", "--model", "empty"),
    typed(f"{WITH_DATA} --model ''", "--model", "empty"),
    typed(f"{WITH_DATA} --model net.py", "net.py", "FILE.py:NAME"),
    typed(f"{WITH_DATA} --model net.py:", "net.py"),
    typed(f"{WITH_DATA} --model :Net", ":Net"),
    typed(f"{WITH_DATA} --model net.py:number", "number", "int"),
    typed(f"{WITH_DATA} --model net.py:Empty", "Empty", "parameter"),
    typed(f"{WITH_DATA} --model data.csv:Net", "data.csv"),
    typed(f"{WITH_DATA} --model .:Net", "."),
    typed(f"{WITH_DATA} --model nul.py:Net", "nul.py"),
    typed(f"{WITH_DATA} --model latin.py:Net", "latin.py"),
    typed(f"{WITH_DATA} --model fifo.py:Net", "fifo.py"),
    typed(f"{WITH_DATA} --model {LONG}.py:Net", "255"),
    typed(f"{WITH_DATA} --model {NO_UTF8}.py:Net", "UTF-8"),
    typed(f"{WITH_DATA} --model net.py:Net --model-arg ''", "--model-arg", "empty"),
    typed(f"{WITH_DATA} --model net.py:Net --model-arg width", "--model-arg", "KEY=VALUE"),
    typed(f"{WITH_DATA} --model net.py:Net --model-arg 3=4", "--model-arg", "3=4"),
    typed(f"{WITH_DATA} --model net.py:Net --model-arg inputs=x", "inputs='x'"),
    typed(f"{WITH_DATA} --model net.py:Net --model-arg inputs=-2", "inputs=-2"),
    typed(f"{WITH_NET} --data=''", "--data", "empty"),
    typed(f"{WITH_NET} --data no.csv", "no.csv"),
    typed(f"{WITH_NET} --data .", "holds no images"),
    typed(f"{WITH_NET} --data net.py", "net.py", "kind"),
    typed(f"{WITH_NET} --data net.py:number", "number", "int"),
    typed(f"{WITH_NET} --data fifo.csv", "fifo.csv", "pipe"),
    typed(f"{WITH_NET} --data socket.csv", "socket.csv", "socket"),
    typed(f"{WITH_NET} --data zero.csv", "/dev/zero", "device"),
    typed(f"{WITH_NET} --data /dev/null", "/dev/null"),
    typed(f"{WITH_NET} --data /dev/stdin", "/dev/"),
    typed(f"{WITH_NET} --data loop.csv", "loop.csv"),
    typed(f"{WITH_NET} --data data.csv/data.csv", "data.csv/data.csv"),
    typed(f"{WITH_NET} --data {LONG}.csv", "255"),
    typed(f"{WITH_NET} --data {NO_UTF8}.csv", "--data", "UTF-8"),
    typed(f"{WITH_NET} --data empty.csv", "empty.csv", "empty"),
    typed(f"{WITH_NET} --data header.csv", "header.csv", "no rows"),
    typed(f"{WITH_NET} --data bytes.csv", "bytes.csv"),
    typed(f"{WITH_NET} --data bytes.parquet", "bytes.parquet"),
    typed(f"{WITH_NET} --data bytes.npz", "bytes.npz"),
    typed(f"{WITH_NET} --data huge.npz", "huge.npz", "30.0 GB"),
    typed(f"{WITH_NET} --data endless.npz", "endless.npz", "GB"),
    typed(f"{WITH_NET} --data objects.npz", "objects.npz", "objects"),
    typed(f"{WITH_NET} --data other.npz", "other.npz", "x and y"),
    typed(f"{WITH_NET} --data data.csv --valid fifo.csv", "fifo.csv", "pipe"),
    typed(f"{WITH_NET} --data data.csv --test zero.csv", "/dev/zero", "device"),
    typed(f"{WITH_NET} --data data.csv --unlabeled ''", "--unlabeled", "empty"),
    typed(f"{WITH_NET} --data data.csv --vectors fifo.csv", "fifo.csv", "pipe"),
    typed(f"{WITH_NET} --data data.csv --vectors .", "vectors", "folder"),
    typed("tune --model net.py:Net --data data.csv --workers 0 --target ''", "--target", "empty"),
    typed("tune --model net.py:Net --data data.csv --workers 0 --target lable", "lable", "label"),
    typed(f"{TUNE} --task clustering", "--task", "clustering"),
    typed(f"{TUNE} --metric ''", "--metric", "empty"),
    typed(f"{TUNE} --metric net.py:metric", "net.py:metric", "accuracy"),
    typed(f"{TUNE} --output ''", "--output", "empty"),
    typed(f"{TUNE} --output 7", "7", "--output"),
    typed(f"{TUNE} --include ''", "--include", "empty"),
    typed(f"{TUNE} --exclude nowhere", "nowhere"),
    typed(f"{TUNE} --name ''", "--name", "empty"),
    typed(f"{TUNE} --name {LONG}", "name", "255"),
    typed(f"{TUNE} --name {NO_UTF8}", "--name", "UTF-8"),
    typed(f"{TUNE} --name a\x01b", "name"),
    typed(f"{TUNE} --only ''", "--only", "empty"),
    typed(f"{TUNE} --only activation", "--only", "SLOT=A,B"),
    typed(f"{TUNE} --only =elu", "--only", "SLOT=A,B"),
    typed(f"{TUNE} --only activation=", "--only", "SLOT=A,B"),
    typed(f"{TUNE} --only activation=,", "--only", "SLOT=A,B"),
    typed(f"{TUNE} --plugin ''", "--plugin", "empty"),
    typed(f"{TUNE} --plugin fifo.py", "fifo.py"),
    typed(f"{TUNE} --plugin nul.py", "nul.py"),
    typed(f"{TUNE} --plugin .", "plugin"),
    typed(f"{TUNE} --plugin {LONG}.py", "255"),
    typed(f"{TUNE} --without ''", "--without", "empty"),
    typed(f"{TUNE} --without nobody", "nobody"),
    typed(f"{TUNE} --device ''", "--device", "empty"),
    typed(f"{TUNE} --device meta", "--device", "meta"),
    typed(f"{TUNE} --device cuda:99", "cuda:99"),
    typed(f"{TUNE} --device lazy", "--device", "lazy"),
    typed(f"diagnose {GIVEN} --device meta", "--device", "meta"),
    typed(f"diagnose {GIVEN} --device xla", "--device", "xla"),
    # Databases that can be none.
    typed(f"tune {GIVEN} --workers 0 --storage ''", "--storage", "empty"),
    typed(f"tune {GIVEN} --workers 0 --storage .", "folder"),
    typed(f"tune {GIVEN} --workers 0 --storage data.csv", "data.csv", "--storage"),
    typed(f"tune {GIVEN} --workers 0 --storage fifo.csv", "fifo.csv", "pipe"),
    typed(f"tune {GIVEN} --workers 0 --storage /dev/null", "/dev/null", "device"),
    typed(f"tune {GIVEN} --workers 0 --storage data.csv/s.db", "data.csv/s.db"),
    typed(f"tune {GIVEN} --workers 0 --storage {LONG}.db", "255"),
    typed(f"tune {GIVEN} --workers 0 --storage {NO_UTF8}.db", "--storage", "UTF-8"),
    typed(f"tune {GIVEN} --workers 0 --storage sqlite://s.db", "three slashes"),
    typed(f"tune {GIVEN} --workers 0 --storage sqlite:///:memory:", "memory"),
    typed(f"tune {GIVEN} --workers 0 --storage mysql://host/db", "mysql"),
    typed(f"tune {GIVEN} --workers 0 --storage ://", "://"),
    typed("studies --storage fifo.csv", "fifo.csv"),
    typed("query advisor_trials --storage fifo.csv", "fifo.csv"),
    typed("show --storage socket.csv", "socket.csv"),
    typed(f"show --storage {LONG}.db", "255"),
    # Pages that cannot be written.
    typed(f"{TUNE} -o ''", "-o", "empty"),
    typed(f"{TUNE} -o folder", "folder"),
    typed(f"{TUNE} -o folder/", "folder"),
    typed(f"{TUNE} -o new/folder/", "new/folder/"),
    typed(f"{TUNE} -o .", "."),
    typed(f"{TUNE} -o data.csv/page.html", "data.csv/page.html"),
    typed(f"{TUNE} -o new/{LONG}.html", "255"),
    typed(f"{TUNE} -o {NO_UTF8}.html", "UTF-8"),
    typed(f"{TUNE} -o fifo.csv", "fifo.csv", "pipe"),
    typed(f"{TUNE} -o /proc/page.html", "/proc/page.html"),
    typed(f"{TUNE} -o new/page.html --metric acuracy", "acuracy"),
    typed(f"diagnose {GIVEN} -o folder", "folder"),
    typed(f"diagnose {GIVEN} -o {LONG}.html", "255"),
    typed("report -o folder --storage none.db", "folder"),
    typed("report -o data.csv/x.html --storage none.db", "data.csv"),
    typed("techniques -o folder", "folder"),
    typed("techniques -o data.csv/x.html", "data.csv"),
    # Study files.
    typed("tune --workers 0 folder", "folder"),
    typed("tune --workers 0 fifo.py", "fifo.py"),
    typed("tune --workers 0 nul.py", "nul.py"),
    typed("tune --workers 0 data.csv", "data.csv"),
    typed(f"tune --workers 0 {LONG}.py", "255"),
    typed(f"tune --workers 0 {NO_UTF8}.py", "UTF-8"),
    typed("tune --workers 0 exits.py", "exits.py", "SystemExit"),
    typed("tune --workers 0 none.py", "none.py", "advisor.Study"),
    typed("tune --workers 0 two.py", "two.py", "one, two"),
    typed("tune --workers 0 wrong.py", "wrong.py", "trials", "0"),
    typed("tune --workers 0 one.py:three", "three"),
    typed("tune --workers 0 one.py --data data.csv", "--data"),
    typed("diagnose net.py", "net.py"),
    # The other commands.
    typed("show nobody --storage none.db", "none.db"),
    typed(f"show {LONG} --storage none.db", "none.db"),
    typed("show ''", "empty"),
    typed("report nobody -o page.html --storage none.db", "none.db"),
    typed("studies delete nobody --yes --storage none.db", "none.db"),
    typed("studies delete '' --yes --storage none.db", "empty"),
    typed("query '' --storage none.db", "empty"),
    typed("query DROP --storage none.db", "none.db"),
    typed("query --storage none.db", "question"),
    typed("techniques nowhere", "nowhere"),
    typed("techniques ''", "empty"),
    typed("plugins --plugin no.py", "no.py"),
    typed("new plugin ''", "empty"),
    typed("new plugin class", "class"),
    typed("new plugin ../up", "../up"),
    typed(f"new plugin {LONG}", "255"),
    typed("new plugin json", "json"),
    typed("check no.py", "no.py"),
    typed("check fifo.py", "fifo.py"),
    typed("check nobody", "nobody"),
    typed("check net.py --waive trains", "--waive"),
    typed("nothing", "nothing"),
]

TABLE = [*TASKS, *STUDIES, *CALLS, *MODELS, *LOSSES, *DATA, *TYPED]
"""All wrong inputs."""


# --- the test -----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> Path:
    """A folder with right and wrong files."""
    folder = tmp_path_factory.mktemp("files")
    rows = "".join(f"{i % 7},{i % 5},{'pq'[i % 2]}\n" for i in range(60))
    texts = {
        "net.py": NET,
        "data.csv": "a,b,label\n" + rows,
        "empty.csv": "",
        "header.csv": "a,b,label\n",
        "none.py": "import advisor\n",
        "exits.py": "import sys\nsys.exit(0)\n",
        "one.py": STUDY.format(name="one", trials=1),
        "two.py": STUDY.format(name="one", trials=1) + STUDY.format(name="two", trials=1),
        "wrong.py": STUDY.format(name="one", trials=0),
        "nul.py": "x = 1\0\n",
    }
    for name, text in texts.items():
        (folder / name).write_text(text)
    (folder / "latin.py").write_bytes("x = 'é'\n".encode("latin-1"))
    for name in ("bytes.csv", "bytes.parquet", "bytes.npz"):
        (folder / name).write_bytes(bytes(range(256)) * 4)

    # Files that are none, and arrays that say more than there is.
    (folder / "folder").mkdir()
    os.mkfifo(folder / "fifo.csv")
    os.mkfifo(folder / "fifo.py")
    (folder / "zero.csv").symlink_to("/dev/zero")
    (folder / "loop.csv").symlink_to("loop.csv")
    np.savez(folder / "objects.npz", x=np.array([{}] * 60), y=np.arange(60))
    np.savez(folder / "other.npz", one=np.ones(60), two=np.ones(60))
    with chdir(folder), socket.socket(socket.AF_UNIX) as listening:
        listening.bind("socket.csv")
    write_claim(folder / "huge.npz", rows=30 * 10**9 // 8, held=80)
    write_claim(folder / "endless.npz", rows=10**18, held=80)
    return folder


STUDY = """\
import advisor
from net import Net
{name} = advisor.Study("{name}", advisor.Task(Net, "data.csv", target="label"), trials={trials})
"""


def write_claim(path: Path, rows: int, held: int) -> None:
    """Write arrays whose header says that there are `rows` numbers, and that hold some bytes."""
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({rows},), }}".ljust(117) + "\n"
    array = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header.encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name in ("x.npy", "y.npy"):
            archive.writestr(name, array + bytes(held))


@contextmanager
def ended_after(seconds: int) -> Iterator[None]:
    """End what waits for ever, such as for the other end of a pipe."""

    def too_late(number: int, frame: object) -> None:
        raise TimeoutError("the wrong input is still being read")

    before = signal.signal(signal.SIGALRM, too_late)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def listed(folder: Path) -> list[str]:
    """All that is in a folder."""
    return sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in str(path))


@pytest.mark.parametrize("wrong", TABLE, ids=[wrong.what.replace(LONG, "LONG") for wrong in TABLE])
def test_a_wrong_input_is_refused_in_one_message_and_leaves_nothing(
    wrong, files, advise, monkeypatch
):
    monkeypatch.chdir(files)
    before = listed(files)
    with ended_after(SECONDS):
        if callable(wrong.give):
            with pytest.raises(InputError) as caught:
                wrong.give()
            message = str(caught.value)
        else:
            said = advise(*wrong.give)
            message = said.err
            assert (said.code, said.out) == (2, ""), said
    assert "Traceback" not in message
    assert not [word for word in wrong.said if word not in message], message
    assert listed(files) == before


def test_there_are_at_least_150_wrong_inputs_and_none_twice():
    names = [wrong.what for wrong in TABLE]
    assert len(names) == len(set(names)) >= 150


# --- what is odd and right ----------------------------------------------------------------------


class Scaled(nn.Module):
    """A model that has a parameter, no layer, and hardly an operation."""

    def __init__(self) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(2))

    def forward(self, x):
        return x[:, :2] * self.scale


def loss_in_a_list(output, target):
    return nn.functional.cross_entropy(output, target).reshape(1)


def metric_of_both_classes(output, target):
    if len(target.unique()) < 2:
        raise ValueError("one class only")
    return (output.argmax(1) == target).float().mean()


def sorted_pair() -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of the first class, and then those of the second."""
    x, y = pair(80)
    order = y.argsort()
    return x[order], y[order]


RIGHT = {
    "a model without layers": {"task": task(Scaled)},
    "a loss of one element": {"task": task(loss=loss_in_a_list)},
    "a metric that wants all classes": {
        "task": task(data=sorted_pair(), metric=metric_of_both_classes)
    },
    "the largest seed": {"seed": 2**63 - 1},
    "the smallest seed": {"seed": -(2**63)},
    "numbers of NumPy": {"trials": np.int64(1), "epochs": np.int32(1), "min_gain": np.float32(0.5)},
    "a long name of all letters": {"name": "é" * 255},
    "no technique but keep": {"only": {"activation": [], "initializer": ()}},
}
"""What studies may be, and once was refused or raised."""


@pytest.mark.parametrize("given", RIGHT.values(), ids=RIGHT)
def test_what_is_odd_and_right_is_taken(given, tmp_path):
    asked = study(**{"seeds": 3, "only": {"activation": ["keep"]}, **given})
    answer = tuned(asked, storage=str(tmp_path / "s.db"))
    assert answer.verdict in ("keep", "change", "undecided")


def test_numbers_of_numpy_become_those_of_python():
    made = study(trials=np.int64(3), seed=np.uint8(7))
    assert [type(made.trials), type(made.seed)] == [int, int]
    assert (made.trials, made.seed) == (3, 7)


@pytest.mark.parametrize("words", [["tune", "one.py"], ["studies"], ["new", "plugin", "mine"]])
def test_a_folder_that_was_deleted_is_told(words, tmp_path):
    folder = tmp_path / "gone"
    folder.mkdir()
    line = f"import os, sys; os.rmdir({str(folder)!r}); from advisor.cli import main; main()"
    code = [sys.executable, "-c", line, *words]
    ended = subprocess.run(code, cwd=folder, capture_output=True, text=True, timeout=120)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert (
        ended.stderr
        == "advisor: The current folder has been deleted; go to one that is there (cd).\n"
    )


def test_a_metric_that_grows_too_large_ends_its_training(tmp_path):
    def grows(output, target):
        return 1.0 if len(target) > 20 else 1e200

    with pytest.raises(advisor.SearchError, match="1e\\+200, too large to compare"):
        tuned(study(task=task(metric=grows)), storage=str(tmp_path / "s.db"))
