"""What changes the digest of the user's code, and what does not."""

from __future__ import annotations

import copy
import datetime
import linecache
import re
import sys
import textwrap
import threading
from decimal import Decimal
from pathlib import Path
from types import ModuleType

import numpy
import pandas
import pytest

from advisor.content.code import code_parts
from advisor.loading.files import load_file

NET = '''\
"""The model."""
import torch
from torch import nn

WIDTH = 8


class Net(nn.Module):
    """A small one."""

    depth = 2

    def __init__(self, out=3, *, rate=0.1):
        super().__init__()
        self.first = nn.Linear(4, WIDTH)
        self.act = nn.ReLU()  # bends
        self.drop = nn.Dropout(rate)
        self.last = nn.Linear(WIDTH, out)

    def forward(self, x):
        """Scores."""
        x = self.act(self.first(x))
        return self.last(self.drop(x))


def unused(x):
    return x + 1


build = Net
'''


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A folder whose modules are gone afterwards."""
    monkeypatch.setattr(sys, "path", list(sys.path))
    yield tmp_path
    for name, module in list(sys.modules.items()):
        if str(getattr(module, "__file__", "")).startswith(str(tmp_path)):
            del sys.modules[name]


def write(folder, files):
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text))


def parts_of(folder, name="build"):
    module = load_file(folder / "net.py")
    return code_parts({"model": getattr(module, name)})


def changed(folder, before, after):
    """The parts that are others after an edit."""
    write(folder, before)
    first = parts_of(folder)
    assert parts_of(folder) == first
    write(folder, after)
    second = parts_of(folder)
    names = first.keys() | second.keys()
    return {name for name in names if first.get(name) != second.get(name)}


def edited(text, *pairs):
    """A text with each first of a pair replaced by its second."""
    for old, new in pairs:
        assert old in text
        text = text.replace(old, new)
    return text


NOTHING = {
    "a comment": [("# bends", "# bends a lot")],
    "a docstring": [('"""A small one."""', '"""A large one, in\n    two lines."""')],
    "a docstring that goes": [('        """Scores."""\n', "")],
    "the docstring of the file": [('"""The model."""\n', "")],
    "blank lines": [("\n    depth", "\n\n\n    depth"), ("import torch\n", "import torch\n\n\n\n")],
    "layout": [
        ("nn.Linear(WIDTH, out)", "nn.Linear(\n            WIDTH,\n            out,\n        )"),
        ("return self.last(self.drop(x))", "return (self.last((self.drop(x))))"),
        ("WIDTH = 8", "WIDTH=(8)"),
    ],
    "annotations": [
        ("def forward(self, x):", "def forward(self, x: torch.Tensor) -> torch.Tensor:"),
        ("        x = self.act", "        x: torch.Tensor = self.act"),
        ("out=3, *,", "out: int = 3, *,"),
        ("    depth = 2", "    depth: int = 2"),
    ],
    "an unused function": [("return x + 1", "return x + 2")],
    "an unused function that goes": [("def unused(x):\n    return x + 1\n", "")],
    "an unused constant": [("WIDTH = 8", "WIDTH = 8\nHEIGHT = 9")],
    "an unused import": [("import torch\n", "import torch\nimport math, json\n")],
    "an unused function that changes what is used": [
        ("return x + 1", "Net.depth = 3; global WIDTH; WIDTH = x")
    ],
    "a statement that does nothing": [
        ("        x = self.act", "        pass\n        x = self.act")
    ],
    "the order of definitions": [
        ("def unused(x):\n    return x + 1\n\n\n", ""),
        ("class Net", "def unused(x):\n    return x + 1\n\n\nclass Net"),
        ("WIDTH = 8\n\n", ""),
        ("from torch import nn\n", "from torch import nn\nSOME = 1\nWIDTH = 8\n"),
    ],
    "another number that is the same": [("rate=0.1", "rate=1e-1"), ("WIDTH = 8", "WIDTH = 4 + 4")],
}


@pytest.mark.parametrize("pairs", NOTHING.values(), ids=NOTHING)
def test_what_does_nothing_changes_nothing(folder, pairs):
    assert changed(folder, {"net.py": NET}, {"net.py": edited(NET, *pairs)}) == set()


SOMETHING = {
    "the activation": ([("nn.ReLU()", "nn.Sigmoid()")], "Net.__init__ in net.py"),
    "the dropout": ([("rate=0.1", "rate=0.6")], "Net.__init__ in net.py"),
    "a default": ([("out=3", "out=4")], "Net.__init__ in net.py"),
    "a constant": ([("WIDTH = 8", "WIDTH = 16")], "WIDTH in net.py"),
    "the type of a constant": ([("WIDTH = 8", "WIDTH = 8.0")], "WIDTH in net.py"),
    "the forward": ([("self.last(self.drop(x))", "self.drop(self.last(x))")], "Net.forward in net.py"),
    "a class attribute": ([("depth = 2", "depth = 3")], "Net.depth in net.py"),
    "a method more": (
        [("    def forward", "    def extra_repr(self):\n        return ''\n\n    def forward")],
        "Net.extra_repr in net.py",
    ),
    "a base class": ([("class Net(nn.Module)", "class Net(nn.Sequential)")], "Net in net.py"),
    "what the name means": ([("build = Net", "build = lambda: Net(5)")], "<lambda> in net.py"),
    "an alias": (
        [("from torch import nn", "from torch import nn\nimport torch.nn.functional as F"),
         ("self.act(self", "F.relu(self")],
        "Net.forward in net.py",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("pairs", "part"), SOMETHING.values(), ids=SOMETHING)
def test_what_does_something_is_named(folder, pairs, part):
    assert part in changed(folder, {"net.py": NET}, {"net.py": edited(NET, *pairs)})


# By its name: the files, an edit of one (file, old, new), and the part that changed.
PLACES = {
    "a base class in a sibling": (
        {
            "net.py": "from base import Base\nclass Net(Base): pass\nbuild = Net\n",
            "base.py": "from torch import nn\nclass Base(nn.Module):\n    def act(self, x): return x.relu()\n",
        },
        ("base.py", "x.relu()", "x.tanh()"),
        "Base.act in base.py",
    ),
    "a helper of a module": (
        {
            "net.py": "import helpers\ndef build(): return helpers.f(1)\n",
            "helpers.py": "def f(x): return x + 1\ndef g(x): return x\n",
        },
        ("helpers.py", "x + 1", "x + 2"),
        "f in helpers.py",
    ),
    "another helper of that module": (
        {
            "net.py": "import helpers\ndef build(): return helpers.f(1)\n",
            "helpers.py": "def f(x): return x + 1\ndef g(x): return x\n",
        },
        ("helpers.py", "def g(x): return x", "def g(x): return -x"),
        None,
    ),
    "a constant of a module of a package": (
        {
            "net.py": "import pack.sizes as s\ndef build(): return s.deep.WIDTH\n",
            "pack/__init__.py": "",
            "pack/sizes.py": "from . import deep\n",
            "pack/deep.py": "WIDTH = 1\n",
        },
        ("pack/deep.py", "WIDTH = 1", "WIDTH = 2"),
        "WIDTH in deep.py",
    ),
    "a function that a package hands on": (
        {
            "net.py": "from pack import f\ndef build(): return f(1)\n",
            "pack/__init__.py": "from .deep import f\n",
            "pack/deep.py": "def f(x): return x + 1\n",
        },
        ("pack/deep.py", "x + 1", "x + 2"),
        "f in deep.py",
    ),
    "a star import": (
        {
            "net.py": "from helpers import *\ndef build(): return f(1)\n",
            "helpers.py": "def f(x): return x + 1\n",
        },
        ("helpers.py", "x + 1", "x + 2"),
        "f in helpers.py",
    ),
    "an import inside the function": (
        {
            "net.py": "def build():\n    import late as l\n    from late import g\n    return l.f(g(1))\n",
            "late.py": "def f(x): return x + 1\ndef g(x): return x\ndef h(x): return x\n",
        },
        ("late.py", "def f(x): return x + 1", "def f(x): return x + 2"),
        "f in late.py",
    ),
    "what is not used of it": (
        {
            "net.py": "def build():\n    import late as l\n    from late import g\n    return l.f(g(1))\n",
            "late.py": "def f(x): return x + 1\ndef g(x): return x\ndef h(x): return x\n",
        },
        ("late.py", "def h(x): return x", "def h(x): return -x"),
        None,
    ),
    "a module that is looked up by name": (
        {
            "net.py": "import layers\ndef build(name='f'): return getattr(layers, name)(1)\n",
            "layers.py": "def f(x): return x + 1\n",
        },
        ("layers.py", "x + 1", "x + 2"),
        "f in layers.py",
    ),
    "the module of a name": (
        {
            "net.py": "from one import f\nfrom two import f as g\ndef build(): return f(g(1))\n",
            "one.py": "def f(x): return x + 1\n",
            "two.py": "def f(x): return x + 2\n",
        },
        (
            "net.py",
            "from one import f\nfrom two import f as g",
            "from two import f\nfrom one import f as g",
        ),
        "build in net.py",
    ),
}


@pytest.mark.parametrize(("files", "edit", "part"), PLACES.values(), ids=PLACES)
def test_code_is_followed_into_the_users_files(folder, files, edit, part):
    name, old, new = edit
    found = changed(folder, files, {name: edited(files[name], (old, new))})
    assert part in found if part else not found


# By its name: the file, what is edited, and the part that changed; None for nothing.
FORMS = {
    "a closure": (
        "def make(rate):\n    def build(x):\n        return x * rate\n    return build\nbuild = make(0.2)\n",
        ("make(0.2)", "make(0.6)"),
        "model",
    ),
    "the code of a closure": (
        "def make(rate):\n    def build(x):\n        return x * rate\n    return build\nbuild = make(0.2)\n",
        ("x * rate", "x + rate"),
        "make.<locals>.build in net.py",
    ),
    "a partial": (
        "from functools import partial\ndef f(a, width=1): return a\nbuild = partial(f, width=4)\n",
        ("width=4", "width=5"),
        "model",
    ),
    "the function of a partial": (
        "from functools import partial\ndef f(a, width=1): return a\nbuild = partial(f, width=4)\n",
        ("return a", "return -a"),
        "f in net.py",
    ),
    "the second of two lambdas on a line": (
        "A, B = (lambda x: x + 1), (lambda x: x + 2)\ndef build(): return A(B(1))\n",
        ("x + 2", "x + 3"),
        "B in net.py",
    ),
    "two lambdas that change places": (
        "A, B = (lambda x: x + 1), (lambda x: x + 2)\ndef build(): return A(B(1))\n",
        ("(lambda x: x + 1), (lambda x: x + 2)", "(lambda x: x + 2), (lambda x: x + 1)"),
        "A in net.py",
    ),
    "a lambda on another line": (
        "A, B = (lambda x: x + 1), (lambda x: x + 2)\ndef build(): return A(B(1))\n",
        (
            "A, B = (lambda x: x + 1), (lambda x: x + 2)",
            "B = lambda x: x + 2\n\nA = lambda x: x + 1",
        ),
        None,
    ),
    "a lambda in a lambda": (
        "build = lambda a: lambda b: a + b\n",
        ("a + b", "a - b"),
        "<lambda> in net.py",
    ),
    "a decorator's argument": (
        "import functools\ndef scaled(by):\n    def deco(f):\n        @functools.wraps(f)\n        def w(x): return by * f(x)\n        return w\n    return deco\n@scaled(2)\ndef build(x): return x\n",
        ("@scaled(2)", "@scaled(3)"),
        "build in net.py",
    ),
    "what a decorator does": (
        "import functools\ndef scaled(by):\n    def deco(f):\n        @functools.wraps(f)\n        def w(x): return by * f(x)\n        return w\n    return deco\n@scaled(2)\ndef build(x): return x\n",
        ("by * f(x)", "by + f(x)"),
        "scaled.<locals>.deco.<locals>.w in net.py",
    ),
    "a decorated function's body": (
        "import torch\n@torch.no_grad()\ndef build(x): return x\n",
        ("return x", "return -x"),
        "build in net.py",
    ),
    "a cached function": (
        "import functools\n@functools.lru_cache(maxsize=None)\ndef f(x): return x + 1\ndef build(): return f(1)\nbuild()\n",
        ("x + 1", "x + 2"),
        "f in net.py",
    ),
    "what is in the cache": (
        "import functools\n@functools.lru_cache(maxsize=None)\ndef f(x): return x + 1\ndef build(): return f(1)\nbuild()\n",
        ("\nbuild()", "\nf(3)"),
        None,
    ),
    "a scripted function": (
        "import torch, warnings\nwarnings.simplefilter('ignore')\n@torch.jit.script\ndef f(x): return x * 2\ndef build(x): return f(x)\n",
        ("x * 2", "x * 3"),
        "f in net.py",
    ),
    "one of several implementations": (
        "import functools\n@functools.singledispatch\ndef f(x): return x\n@f.register(int)\ndef _(x): return x + 1\n@f.register(str)\ndef _(x): return x + 'a'\ndef build(): return f(1)\nbuild()\n",
        ("x + 1", "x + 2"),
        "_ in net.py",
    ),
    "for which type one is": (
        "import functools\n@functools.singledispatch\ndef f(x): return x\n@f.register(int)\ndef _(x): return x + 1\ndef build(): return f(1)\n",
        ("register(int)", "register(float)"),
        "f in net.py",
    ),
    "a property": (
        "class Net:\n    @property\n    def width(self): return 3\nbuild = Net\n",
        ("return 3", "return 4"),
        "Net.width in net.py",
    ),
    "a static method": (
        "class Net:\n    @staticmethod\n    def width(): return 3\nbuild = Net\n",
        ("return 3", "return 4"),
        "Net.width in net.py",
    ),
    "a class method as the builder": (
        "class Net:\n    width = 3\n    @classmethod\n    def make(cls): return cls()\nbuild = Net.make\n",
        ("width = 3", "width = 4"),
        "Net.width in net.py",
    ),
    "a cached property": (
        "import functools\nclass Net:\n    @functools.cached_property\n    def width(self): return 3\nbuild = Net\n",
        ("return 3", "return 4"),
        "Net.width in net.py",
    ),
    "a metaclass": (
        "class Meta(type):\n    def __call__(cls): return 3\nclass Net(metaclass=Meta): pass\nbuild = Net\n",
        ("return 3", "return 4"),
        "Meta.__call__ in net.py",
    ),
    "a method of a base that super calls": (
        "class Base:\n    def f(self): return 3\nclass Net(Base):\n    def f(self): return super().f()\nbuild = Net\n",
        ("return 3", "return 4"),
        "Base.f in net.py",
    ),
    "a method put in from elsewhere": (
        "class Net:\n    def f(self): return 3\ndef other(self): return 4\nNet.f = other\nbuild = Net\n",
        ("return 4", "return 5"),
        "other in net.py",
    ),
    "that it is put in": (
        "class Net:\n    def f(self): return 3\ndef other(self): return 4\nNet.f = other\nbuild = Net\n",
        ("Net.f = other\n", ""),
        "Net in net.py",
    ),
    "a callable object": (
        "class Make:\n    def __init__(self, width): self.width = width\n    def __call__(self): return self.width\nbuild = Make(3)\n",
        ("Make(3)", "Make(4)"),
        "model",
    ),
    "a default of a dataclass": (
        "from dataclasses import dataclass\n@dataclass\nclass Config:\n    width: int = 3\n    depth: int = 2\ndef build(): return Config()\n",
        ("width: int = 3", "width: int = 4"),
        "Config.width in net.py",
    ),
    "a factory of a dataclass": (
        "from dataclasses import dataclass, field\n@dataclass\nclass Config:\n    sizes: list = field(default_factory=lambda: [1, 2])\ndef build(): return Config()\n",
        ("[1, 2]", "[1, 3]"),
        "Config.sizes in net.py",
    ),
    "the order of a dataclass's fields": (
        "from dataclasses import dataclass\n@dataclass\nclass Config:\n    width: int\n    depth: int\ndef build(): return Config(1, 2)\n",
        ("    width: int\n    depth: int", "    depth: int\n    width: int"),
        "Config in net.py",
    ),
    "a dataclass object": (
        "from dataclasses import dataclass\n@dataclass\nclass Config:\n    width: int = 3\nCFG = Config(width=5)\ndef build(): return CFG.width\n",
        ("width=5", "width=6"),
        "CFG in net.py",
    ),
    "a named tuple": (
        "from typing import NamedTuple\nclass Config(NamedTuple):\n    width: int = 3\nCFG = Config(5)\ndef build(): return CFG.width\n",
        ("Config(5)", "Config(6)"),
        "CFG in net.py",
    ),
    "a dictionary": (
        "CFG = {'act': 'relu', 'sizes': [1, {2, 3}]}\ndef build(): return CFG['act']\n",
        ("{2, 3}", "{2, 4}"),
        "CFG in net.py",
    ),
    "a dictionary filled at the top": (
        "CFG = {}\nCFG['act'] = 'relu'\ndef build(): return CFG['act']\n",
        ("'relu'", "'tanh'"),
        "CFG in net.py",
    ),
    "an enum": (
        "import enum\nclass Act(enum.Enum):\n    RELU = 'relu'\n    TANH = 'tanh'\ndef build(): return Act.RELU.value\n",
        ("RELU = 'relu'", "RELU = 'elu'"),
        "Act.RELU in net.py",
    ),
    "a member of an enum": (
        "import enum\nclass Act(enum.Enum):\n    RELU = 'relu'\n    TANH = 'tanh'\nACT = Act.RELU\ndef build(): return ACT.value\n",
        ("ACT = Act.RELU", "ACT = Act.TANH"),
        "ACT in net.py",
    ),
    "a nested function": (
        "def build():\n    def inner(x): return x + 1\n    return inner(1)\n",
        ("x + 1", "x + 2"),
        "build in net.py",
    ),
    "a global of a nested function": (
        "N = 3\ndef build():\n    def inner(x): return [y for y in range(N)]\n    return inner(1)\n",
        ("N = 3", "N = 4"),
        "N in net.py",
    ),
    "recursion": (
        "def build(n=3): return n and build(n - 1)\n",
        ("n - 1", "n - 2"),
        "build in net.py",
    ),
    "mutual recursion": (
        "def build(n=3): return other(n)\ndef other(n): return n and build(n - 1)\n",
        ("n - 1", "n - 2"),
        "other in net.py",
    ),
    "a conditional definition": (
        "BIG = False\nif BIG:\n    def f(): return 1\nelse:\n    def f(): return 2\ndef build(): return f()\n",
        ("return 2", "return 3"),
        "f in net.py",
    ),
    "the other branch of it": (
        "BIG = False\nif BIG:\n    def f(): return 1\nelse:\n    def f(): return 2\ndef build(): return f()\n",
        ("return 1", "return 3"),
        None,
    ),
    "a class with the same name twice": (
        "def pick(big):\n    if big:\n        class Net:\n            def f(self): return 1\n    else:\n        class Net:\n            def f(self): return 2\n    return Net\nbuild = pick(False)\n",
        ("pick(False)", "pick(True)"),
        "pick.<locals>.Net.f in net.py",
    ),
    "a tensor": (
        "import torch\nW = torch.tensor([1., 2.])\ndef build(): return W.sum()\n",
        ("[1., 2.]", "[1., 3.]"),
        "W in net.py",
    ),
    "an array": (
        "import numpy as np\nW = np.array([1., 2.])\ndef build(): return W.sum()\n",
        ("[1., 2.]", "[1., 3.]"),
        "W in net.py",
    ),
    "a module of torch as a default": (
        "from torch import nn\ndef build(act=nn.Sequential(nn.Dropout(0.2))): return act\n",
        ("Dropout(0.2)", "Dropout(0.6)"),
        "build in net.py",
    ),
    "a function of torch in a table": (
        "import torch.nn.functional as F\nACTS = {'a': F.relu}\ndef build(): return ACTS['a']\n",
        ("F.relu", "F.elu"),
        "ACTS in net.py",
    ),
    "an object of another library with settings": (
        "import types\nCFG = types.SimpleNamespace(width=3)\ndef build(): return CFG.width\n",
        ("width=3", "width=4"),
        "CFG in net.py",
    ),
    "a seed of a generator": (
        "import torch\nG = torch.Generator().manual_seed(1)\ndef build(): return torch.rand(1, generator=G)\n",
        ("manual_seed(1)", "manual_seed(2)"),
        "G in net.py",
    ),
    "an attribute of a function": (
        "def build(): return 1\nbuild.higher_is_better = False\n",
        ("= False", "= True"),
        "build in net.py",
    ),
    "a class registered by a decorator": (
        "TABLE = {}\ndef register(name):\n    def put(cls):\n        TABLE[name] = cls\n        return cls\n    return put\n@register('a')\nclass Net:\n    width = 3\ndef build(name='a'): return TABLE[name]()\n",
        ("width = 3", "width = 4"),
        "Net.width in net.py",
    ),
    "the start of a counter": (
        "N = 3\ndef build():\n    global N\n    N += 1\n    return N\n",
        ("N = 3", "N = 4"),
        "N in net.py",
    ),
    "what a cache is made of": (
        "SIZE = 3\nCACHE = dict(size=SIZE)\ndef build(x=1):\n    CACHE[x] = x\n    return CACHE\n",
        ("SIZE = 3", "SIZE = 4"),
        "SIZE in net.py",
    ),
    "a function that is found by a text": (
        "def f(): return 1\ndef build(name='f'): return globals()[name]()\n",
        ("return 1", "return 2"),
        "f in net.py",
    ),
    "a class with a type filled in": (
        "from typing import Generic, TypeVar\nT = TypeVar('T')\nclass Net(Generic[T]):\n    def f(self): return 1\nbuild = Net[int]\n",
        ("return 1", "return 2"),
        "Net.f in net.py",
    ),
    "a dictionary with a default": (
        "from collections import defaultdict\nD = defaultdict(lambda: 3)\ndef build(): return D[1]\nbuild()\n",
        ("lambda: 3", "lambda: 4"),
        "D in net.py",
    ),
    "that it was read": (
        "from collections import defaultdict\nD = defaultdict(lambda: 3)\ndef build(): return D[1]\nbuild()\n",
        ("\nbuild()", "\nbuild(), build()"),
        None,
    ),
    "methods put in by a loop": (
        "class Net: pass\nfor i in range(2): setattr(Net, f'm{i}', lambda self, i=i: i)\nbuild = Net\n",
        ("i=i: i", "i=i: -i"),
        "Net in net.py",
    ),
    "what decides by the environment": (
        "import os\nFLIP = os.environ.get('ADVISOR_TEST_FLIP', 'no')\ndef build(): return FLIP\n",
        ("'no'", "'yes'"),
        "FLIP in net.py",
    ),
    "a backward": (
        "import torch\nclass F(torch.autograd.Function):\n    @staticmethod\n    def forward(c, x): return x\n    @staticmethod\n    def backward(c, g): return g\ndef build(x): return F.apply(x)\n",
        ("return g", "return -g"),
        "F.backward in net.py",
    ),
    "a function that exec made": (
        "names = {}\nexec('def f(x): return x + 1', names)\nbuild = names['f']\n",
        ("x + 1", "x + 2"),
        "f",
    ),
}


@pytest.mark.parametrize(("text", "edit", "part"), FORMS.values(), ids=FORMS)
def test_every_form_of_code_counts_by_what_it_does(folder, text, edit, part):
    found = changed(folder, {"net.py": text}, {"net.py": edited(text, edit)})
    assert part in found if part else not found


def test_the_environment_counts_where_a_constant_reads_it(folder, monkeypatch):
    text = "import os\nACT = os.environ.get('ADVISOR_TEST_ACT')\ndef build(): return ACT\n"
    write(folder, {"net.py": text})
    first = parts_of(folder)
    monkeypatch.setenv("ADVISOR_TEST_ACT", "ReLU")
    write(folder, {"net.py": text + "#\n"})  # so that it runs again
    second = parts_of(folder)
    assert {name for name in first if first[name] != second[name]} == {"ACT in net.py"}


def test_a_cell_of_a_notebook_has_its_source_and_no_file(folder):
    def parts(number, text):
        filename = str(folder / f"ipykernel_{number}" / f"{number}.py")
        linecache.cache[filename] = len(text), None, text.splitlines(keepends=True), filename
        names = {"__name__": "__main__"}
        exec(compile(text, filename, "exec"), names)
        return code_parts({"model": names["build"]})

    first = parts(1, "N = 3\ndef build():\n    return N\n")
    assert first.keys() == {"model", "build", "N"}
    assert not [digest for digest in first.values() if digest.startswith("py")]
    assert parts(2, "# again\n\nN = 3\ndef build(): return N\n") == first
    assert parts(3, "N = 4\ndef build(): return N\n")["N"] != first["N"]
    assert parts(4, "N = 3\ndef build(): return -N\n")["build"] != first["build"]


def test_values_of_every_kind_count_by_their_content():
    import torch

    grow = torch.nn.Linear(2, 2), [1], {"a": {1, 2}}
    values = {
        "none": None, "text": "relu", "list": [1, 2.0, "a"], "table": {"b": 1, "a": (2,)},
        "path": Path("a/b"), "date": datetime.date(2020, 1, 2), "decimal": Decimal("1.5"),
        "pattern": re.compile("a+"), "range": range(3), "type": torch.float32,
        "tensor": torch.arange(3), "half": torch.ones(2, dtype=torch.bfloat16), "empty": torch.ones(0),
        "sparse": torch.eye(2).to_sparse(), "meta": torch.ones(2, device="meta"),
        "number": numpy.float32(1), "array": numpy.array([["a", None]], dtype=object),
        "days": numpy.array(["2020-01-01"], dtype="datetime64[D]"), "zero": numpy.zeros((0, 2)),
        "frame": pandas.DataFrame({"a": [1, 2], "b": ["x", None]}), "grow": grow,
    }  # fmt: skip
    first = code_parts(values)
    assert code_parts(copy.deepcopy(values)) == first
    assert len(set(first.values())) == len(values)
    values["frame"].loc[0, "b"] = "y"
    values["tensor"][1] = 5
    grow[2]["a"].add(3)
    second = code_parts(values)
    assert {name for name in first if first[name] != second[name]} == {"frame", "tensor", "grow"}


def test_an_expression_that_is_nested_too_deeply_counts_by_its_bytecode(folder):
    text = "def build(x=1): return " + " + ".join(["x"] * 1500) + "\n"
    write(folder, {"net.py": text})
    first = parts_of(folder)
    write(folder, {"net.py": text.replace("x + x", "x - x", 1)})
    second = parts_of(folder)
    assert {name for name in first if first[name] != second[name]} == {"build in net.py"}


class Hostile:
    """An object that raises wherever it is looked at."""

    def __getattribute__(self, name):
        raise RuntimeError(name)


def test_what_cannot_be_looked_at_counts_by_its_type():
    deep = []
    for _ in range(5000):
        deep = [deep]
    cyclic = {}
    cyclic["self"] = cyclic
    values = {"hostile": Hostile(), "lock": threading.Lock(), "deep": deep, "cyclic": cyclic}
    assert code_parts(values) == code_parts(
        {**values, "hostile": Hostile(), "lock": threading.Lock()}
    )


@pytest.mark.parametrize(
    "text",
    [
        "import torch\n@torch.no_grad()\ndef build(x): return x\n",
        "class Own:\n    pass\nOWN = Own()\ndef build(): return OWN\n",
    ],
)
def test_the_name_under_which_a_file_is_loaded_changes_nothing(folder, text, monkeypatch):
    write(folder, {"net.py": text})
    monkeypatch.setitem(sys.modules, "net", ModuleType("net"))
    beside_another = parts_of(folder)
    monkeypatch.delitem(sys.modules, "net")
    assert parts_of(folder) == beside_another
