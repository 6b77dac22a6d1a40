"""A digest is the same in every process, and is made in no time."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from advisor.content.code import code_parts
from advisor.content.tokens import THIS_PYTHON
from advisor.loading.files import load_file

MANY = """\
import enum, functools, random, threading, time, uuid
import numpy as np
import torch
from dataclasses import dataclass
from pathlib import Path
from torch import nn

HERE = Path(__file__).parent
NAMES = {"a", "b", "c", "d", "e"}
TABLE = {name: len(name) for name in NAMES}
KINDS = frozenset({int, float, str, bytes})
FUNCTIONS = {abs, len, max, min}
STARTED, RUN = time.time(), str(uuid.uuid4())
NOISE = torch.randn(3)
DRAWN = random.random()
RNG = np.random.default_rng()
LOCK = threading.Lock()
FILE = open(__file__)
FILE.close()
ROWS = (line for line in "abc")
HISTORY, CACHE = [], {}
LAYER = nn.Linear(3, 3)


class Act(enum.Enum):
    RELU = "relu"


class Timer:
    def __init__(self):
        self.started = time.time()
        self.count = 0

    def tick(self):
        self.count += 1


TIMER = Timer()


class Net(nn.Module):
    made = 0
    seen = []

    def __init__(self, act=Act.RELU):
        super().__init__()
        type(self).made += 1
        self.names = NAMES, TABLE, KINDS, FUNCTIONS, STARTED, RUN, NOISE, DRAWN, RNG, LOCK, FILE, ROWS
        self.path, self.layer = HERE / "x.json", LAYER

    def forward(self, x, memo={}):
        HISTORY.append(len(HISTORY))
        CACHE[len(CACHE)] = x
        memo[len(memo)] = x
        self.seen.append(x)
        TIMER.tick()
        return x


def counted():
    calls, past = 0, []

    def build():
        nonlocal calls
        calls += 1
        past.append(calls)
        build.last = calls
        net = Net()
        net(torch.ones(3))
        return net

    return build


build = counted()
"""

PRINT = """\
import json, sys
sys.path.insert(0, {folder!r})
from advisor.content.code import code_parts
from advisor.loading.files import load_file
module = load_file({folder!r} + "/net.py")
first = code_parts({{"model": module.build}})
if {runs}:
    module.build(), module.build()
    assert code_parts({{"model": module.build}}) == first
print(json.dumps(first))
"""


def run(program: str, **environment: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, **environment},
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_a_digest_is_the_same_in_every_process_and_after_the_code_ran(tmp_path):
    (tmp_path / "net.py").write_text(MANY)
    printed = {
        run(PRINT.format(folder=str(tmp_path), runs=runs), PYTHONHASHSEED=seed)
        for seed, runs in (("1", False), ("2", True))
    }
    assert len(printed) == 1
    assert THIS_PYTHON not in printed.pop()


def test_a_folder_that_is_moved_has_the_same_digest(tmp_path):
    printed = set()
    for name in ("one", "another"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "net.py").write_text(MANY)
        printed.add(run(PRINT.format(folder=str(folder), runs=False)))
    assert len(printed) == 1


SCRIPT = """\
import functools, sys
import cloudpickle
from torch import nn

SIZES = {"b": 2, "a": [1, 3]}
class Settings:
    width = 3

def scaled(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args) * Settings.width
    return inner

@scaled
def size(x):
    return x + SIZES["b"]

class Net(nn.Module):
    act = staticmethod(lambda x: x.relu())

    def __init__(self, out=1):
        super().__init__()
        self.layer = nn.Linear(size(2), out)

    def forward(self, x):
        return super().forward(self.act(x))

if __name__ == "__main__":
    from advisor.content.code import code_parts
    roots = {"model": functools.partial(Net, out=2), "loss": lambda a, b: (a - b).sum()}
    with open(sys.argv[1], "wb") as file:
        file.write(cloudpickle.dumps(roots))
    print(code_parts(roots))
"""

READ = """\
import pickle, sys
from advisor.content.code import code_parts
print(code_parts(pickle.load(open({file!r}, "rb"))))
"""


@pytest.fixture
def script(tmp_path):
    """A script that was run: its path, its pickle, and the digests that it printed."""
    path, pickled = tmp_path / "train.py", tmp_path / "roots.pkl"
    path.write_text(SCRIPT)
    ended = subprocess.run(
        [sys.executable, path, pickled], capture_output=True, text=True, timeout=120
    )
    assert ended.returncode == 0, ended.stderr
    return path, pickled, ended.stdout


def test_what_was_pickled_by_value_has_the_same_digest_in_another_process(script):
    path, pickled, printed = script
    assert run(READ.format(file=str(pickled))) == printed
    # Lines above that came since change nothing of what ran.
    path.write_text('"""A script."""\n\n' + SCRIPT)
    assert run(READ.format(file=str(pickled))) == printed


def test_the_source_that_ran_counts_and_not_the_one_that_is_there_now(script):
    path, pickled, printed = script
    path.write_text(SCRIPT.replace('x + SIZES["b"]', 'x - SIZES["b"]'))
    names, before = eval(run(READ.format(file=str(pickled)))), eval(printed)
    others = {name for name in before if names[name] != before[name]}
    assert others == {"size in train.py"}
    assert names["size in train.py"].startswith(THIS_PYTHON)


def test_without_the_file_the_bytecode_counts_and_says_so(script):
    path, pickled, _ = script
    path.unlink()
    digests = eval(run(READ.format(file=str(pickled))))
    assert digests["Net.forward in train.py"].startswith(THIS_PYTHON)
    assert not digests["SIZES in train.py"].startswith(THIS_PYTHON)


def others_pythons() -> list[str]:
    """Other Pythons of this machine, which need no libraries for this."""
    roots = Path.home() / ".pyenv" / "versions"
    here = f"{sys.version_info.major}.{sys.version_info.minor}"
    found = sorted(roots.glob("3.1[1-3].*/bin/python")) if roots.is_dir() else []
    return [str(path) for path in found if f"/{here}." not in str(path)]


PLAIN = '''\
import enum, functools
from collections import namedtuple
from dataclasses import dataclass, field
from typing import NamedTuple

Pair = namedtuple("Pair", "a b")
class Two(NamedTuple):
    a: int = 1
class Act(enum.IntEnum):
    ONE = 1
    def f(self): return self.value
@dataclass(frozen=True)
class Config:
    """Settings."""
    width: int = 3
    sizes: tuple = field(default_factory=lambda: (1, 2))
    @property
    def area(self): return self.width ** 2
def deco(f):
    @functools.wraps(f)
    def inner(*a, **k):
        """Do."""
        return f(*a, **k)
    return inner
@deco
def build(x=-1, *, y=1e-3, z=b"a"):
    """Build."""
    text = f"a{x!r:>{y}}b" f"c{x=}" "d"
    try:
        with open("a") as file, open("b") as other:
            return [Config(i) for i in range(x) if i], {**{}}, Pair(1, 2), Two(), Act.ONE, text
    except* ValueError:
        del (x, y)
        raise
    finally:
        match x:
            case {"a": [1, *rest], **more} if rest: pass
            case Config(width=3) | None: pass
'''


@pytest.mark.skipif(not others_pythons(), reason="there is no other Python on this machine")
def test_digests_are_the_same_on_every_python(tmp_path):
    (tmp_path / "net.py").write_text(PLAIN)
    program = PRINT.format(folder=str(tmp_path), runs=False)
    root = str(Path(__file__).parent.parent.parent)
    printed = {run(program)}
    for python in others_pythons():
        ended = subprocess.run(
            [python, "-c", program],
            capture_output=True,
            text=True,
            env={"PYTHONPATH": root, "PYTHONDONTWRITEBYTECODE": "1"},
            timeout=60,
        )
        assert ended.returncode == 0, ended.stderr
        printed.add(ended.stdout)
    assert len(printed) == 1


def test_a_file_of_two_thousand_lines_takes_little_time(tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "path", list(sys.path))
    layer = textwrap.dedent('''
        class Layer{n}:
            """A layer."""

            def __init__(self, width, rate=0.1):
                self.width, self.rate = width, rate
                self.sizes = [width * i for i in range(4)]

            def forward(self, x):
                """Scores."""
                for size in self.sizes:
                    x = helper(x + size) * self.rate if size > {n} else x
                return x

        ''')
    count = 150
    calls = ", ".join(f"Layer{n}(x)" for n in range(count))
    text = "def helper(x): return x\n" + "".join(layer.format(n=n) for n in range(count))
    (tmp_path / "long_net.py").write_text(text + f"def build(x=1): return [{calls}]\n")
    assert len(text.splitlines()) > 2000
    module = load_file(tmp_path / "long_net.py")
    times = []
    for _ in range(3):
        begun = time.process_time()
        assert len(code_parts({"model": module.build})) > 3 * count
        times.append(time.process_time() - begun)
    assert min(times) < 1.0  # 0.2 s on an idle machine
    del sys.modules[module.__name__]
