from __future__ import annotations

import dataclasses
import importlib.metadata
import itertools
import random
import re
import sys
from dataclasses import dataclass
from types import ModuleType

import pytest

import advisor
from advisor import PluginError
from advisor.host.host import load

BUILT_IN = (
    "activation",
    "averaging",
    "clipping",
    "embedding",
    "features",
    "initializer",
    "normalization",
    "optimizer",
    "pretraining",
    "realmlp",
    "regularization",
    "schedule",
)


@dataclass
class Entry:
    """What importlib.metadata says of an installed plugin, as far as the host looks at it."""

    name: str
    value: str
    dist: object = None

    def load(self):
        return importlib.metadata.EntryPoint(self.name, self.value, "advisor").load()


@pytest.fixture
def installed(monkeypatch):
    """Pretend that these entry points are installed beside the built-in ones."""

    def installed(*entries, alone=False):
        ours = () if alone else tuple(importlib.metadata.entry_points(group="advisor"))
        monkeypatch.setattr(
            importlib.metadata,
            "entry_points",
            lambda group: [*ours, *entries] if group == "advisor" else [],
        )

    return installed


@pytest.fixture
def stranger(monkeypatch):
    """A module of a stranger's distribution, by its hooks."""

    def stranger(name, **hooks):
        module = ModuleType(name)
        for hook, body in hooks.items():
            setattr(module, hook, advisor.hookimpl(body))
        monkeypatch.setitem(sys.modules, name, module)
        return Entry(name, name)

    return stranger


def refusal(*files, **options):
    with pytest.raises(PluginError) as refused:
        load(files, **options)
    return str(refused.value)


def test_the_built_in_plugins_come_by_the_same_door_and_every_slot_has_keep():
    host = load()
    assert [plugin.name for plugin in host.plugins] == list(BUILT_IN)
    assert host.broken == ()
    # The recipe of RealMLP is for slots of others.
    assert set(host.built_in_slots) == set(host.slots) == set(BUILT_IN) - {"realmlp"}
    assert all(next(iter(found)) == "keep" for found in host.techniques.values())
    assert all(plugin.built_in and plugin.version == advisor.__version__ for plugin in host.plugins)
    assert all(
        plugin.source.startswith("torch-advisor: advisor_plugins.") for plugin in host.plugins
    )


def test_a_host_that_is_loaded_cannot_be_written_to():
    host = load()
    with pytest.raises(dataclasses.FrozenInstanceError):
        host.broken = ("a sentence",)
    with pytest.raises(TypeError):
        host.slots["cooking"] = advisor.Slot("cooking", "how")
    with pytest.raises(TypeError):
        host.techniques["activation"]["mine"] = host.find("activation", "keep")
    with pytest.raises(TypeError):
        host.owner["activation.keep"] = "mine"


def test_a_plugin_of_one_file_adds_a_technique_and_a_slot(plugin):
    path = plugin(
        "snake",
        "[Named('activation', 'snake'), Named('cooking', 'slow', heat=advisor.Float(0, 1))]",
        "[Slot('cooking', 'how')]",
    )
    host = load([path])
    assert host.find("activation", "snake").name == "snake"
    assert host.find("cooking", "slow").defaults() == {"heat": 0.5}
    assert host.find("cooking", "keep").slot == "cooking"
    assert host.find("cooking", "fast") is None
    assert host.find("nowhere", "slow") is None
    added = host.plugins[-1]
    assert (added.name, added.source, added.built_in) == ("snake", path, False)
    assert (added.slots, added.techniques) == (("cooking",), ("activation.snake", "cooking.slow"))
    assert "cooking" not in host.built_in_slots
    assert host.owner["activation.snake"] == "snake"


def test_the_plugin_of_the_documentation_works_as_it_is_written(write):
    text = """
import advisor
import torch

@advisor.hookimpl
def techniques():
    return [advisor.Activation("snake", lambda: lambda x: x + torch.sin(x) ** 2, cite="Ziyin et al. 2020")]
"""
    host = load([write("snake.py", text)])
    assert host.find("activation", "snake").cite == "Ziyin et al. 2020"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        (
            "import nowhere_to_be_found\n",
            "ModuleNotFoundError: No module named 'nowhere_to_be_found'",
        ),
        ("raise ValueError('two\\nlines')\n", "ValueError: two lines"),
        ("def broken(:\n", "SyntaxError"),
        ("import sys; sys.exit('gone')\n", "gone"),
        (
            "import advisor\n@advisor.hookimpl\ndef technique(): return []\n",
            "Did you mean 'techniques'?",
        ),
        ("import advisor\n@advisor.hookimpl\ndef techniques(run): return []\n", "run"),
        (
            "import advisor\n@advisor.hookimpl\ndef techniques(): raise KeyError('gone')\n",
            "KeyError: 'gone'",
        ),
        ("import advisor\n@advisor.hookimpl\ndef techniques(): return [3]\n", "got 3"),
    ],
    ids=[
        "import",
        "raise",
        "syntax",
        "exit",
        "misspelt hook",
        "hook with an argument",
        "hook that raises",
        "no technique",
    ],
)
def test_an_installed_plugin_that_is_broken_is_one_line_and_the_rest_works(
    installed, write, monkeypatch, tmp_path, text, why
):
    name = f"stranger_{abs(hash(text))}"
    write(f"{name}.py", text)
    monkeypatch.syspath_prepend(tmp_path)
    installed(Entry("stranger", name))
    host = load()
    assert [plugin.name for plugin in host.plugins] == list(BUILT_IN)
    assert len(host.broken) == 1
    assert "'stranger'" in host.broken[0]
    assert why in host.broken[0]
    assert "\n" not in host.broken[0]


def test_an_entry_point_that_leads_nowhere_is_one_line(installed):
    installed(Entry("gone", "torch_advisor_gone.plugin"), Entry("half", "advisor.space:nothing"))
    host = load()
    assert len(host.techniques) == len(BUILT_IN) - 1
    gone, half = host.broken
    assert "'gone' (torch_advisor_gone.plugin) was not loaded: ModuleNotFoundError" in gone
    assert "'half' (advisor.space:nothing) was not loaded: AttributeError" in half


def test_installed_plugins_are_loaded_by_name_whatever_the_order_of_the_disk(installed, stranger):
    entries = [
        stranger(
            f"plugin_{letter}", slots=lambda letter=letter: [advisor.Slot(f"slot_{letter}", "what")]
        )
        for letter in "cab"
    ]
    seen = set()
    for order in itertools.permutations(entries):
        installed(*order)
        host = load()
        seen.add((tuple(plugin.name for plugin in host.plugins), tuple(host.slots)))
    ((plugins, slots),) = seen
    assert plugins == (*BUILT_IN, "plugin_a", "plugin_b", "plugin_c")
    assert len(slots) == len(BUILT_IN) + 2


@pytest.mark.parametrize(
    ("hook", "hint"),
    [
        ("technique", "Did you mean 'techniques'?"),
        ("slot", "Did you mean 'slots'?"),
        ("banana", "slots, techniques"),
    ],
)
def test_a_misspelt_hook_names_plugin_hook_and_what_was_meant(plugin, hook, hint):
    said = refusal(plugin("typo", more=f"@advisor.hookimpl\ndef {hook}():\n    return []\n"))
    assert "'typo'" in said
    assert f"no hook {hook!r}" in said
    assert hint in said
    assert "The hooks are: slots, techniques, queries." in said


def test_a_hook_with_arguments_of_its_own_is_a_message_and_no_traceback(plugin):
    said = refusal(plugin("wrong", more="@advisor.hookimpl\ndef techniques(run):\n    return []\n"))
    assert "'wrong'" in said
    assert "techniques" in said
    assert "run" in said


def test_a_plugin_without_the_mark_on_its_hook_is_told_so(plugin):
    said = refusal(
        plugin("forgot", more="def techniques():\n    return [Named('activation', 'x')]\n")
    )
    assert "'forgot'" in said
    assert "hookimpl" in said


def test_two_plugins_with_one_technique_are_refused_with_both_names(plugin):
    said = refusal(
        plugin("one", "[Named('activation', 'x')]"), plugin("two", "[Named('activation', 'x')]")
    )
    assert "'one' and 'two' both bring activation 'x'" in said
    assert "--without" in said


def test_a_file_that_the_user_names_overrules_an_installed_technique_and_that_is_told(plugin):
    name = next(n for n in load().techniques["activation"] if n != "keep")
    host = load([plugin("mine", f"[Named('activation', {name!r})]")])
    assert host.owner[f"activation.{name}"] == "mine"
    assert "mine.py" in host.overruled[0]
    assert "'activation'" in host.overruled[0]
    assert not load([plugin("other", f"[Named('initializer', {name!r})]")]).overruled


def test_keep_is_advisors_own(plugin):
    assert "both bring activation 'keep'" in refusal(
        plugin("mine", "[Named('activation', 'keep')]")
    )


def test_two_plugins_with_one_slot_are_refused_with_both_names(plugin):
    said = refusal(
        plugin("one", slots="[Slot('oven', 'what')]"), plugin("two", slots="[Slot('oven', 'that')]")
    )
    assert "'one' and 'two' both bring a slot 'oven'" in said


def test_two_plugins_of_one_name_are_refused_with_the_name(plugin, write):
    one = plugin("one", "[]")
    assert "'one'" in refusal(one, write("other/one.py", "import advisor\n"))
    assert "'activation'" in refusal(plugin("activation", "[]"))


def test_a_technique_for_a_slot_that_nobody_brings_names_the_near_one(plugin):
    said = refusal(plugin("far", "[Named('activations', 'x')]"))
    assert "'far'" in said
    assert (
        "technique 'x' is for a slot 'activations' that no plugin brings. Did you mean 'activation'?"
        in said
    )
    assert "initializer, embedding" in said


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("[Named]", ["Return an instance: write Name(), not Name"]),
        ("[3]", ["advisor.Technique objects", "got 3"]),
        ("[Named('activation', 'two words')]", ["name", "'two words'", "Named"]),
        ("[Named('activation', '')]", ["name", "''"]),
        ("[Named('activation', 'a.b')]", ["name", "'a.b'"]),
        ("[Named('activation', None)]", ["name", "None"]),
        ("[Named('activation', 7)]", ["name", "7"]),
        ("[Named(None, 'x')]", ["'x'", "slot"]),
        ("[type('Bare', (advisor.Technique,), {'name': 'x'})()]", ["'x'", "slot"]),
        ("[type('Bare', (advisor.Technique,), {'slot': 'activation'})()]", ["name", "Bare"]),
        (
            "[Named('activation', 'x', alpha=(0, 1))]",
            ["'x'", "space['alpha']", "advisor.Float, Int or Choice", "(0, 1)"],
        ),
        ("[Named('activation', 'x', alpha=advisor.Float)]", ["'x'", "space['alpha']"]),
        (
            "[type('L', (advisor.Technique,), {'name': 'x', 'slot': 'activation', 'space': [1]})()]",
            ["'x'", "space"],
        ),
        ("None", ["techniques()", "None"]),
        ("Named('activation', 'x')", ["techniques()", "Named"]),
        ("[Named('activation', 'x', alpha=advisor.Float(2, 1))]", ["techniques()", "low > high"]),
        ("1 / 0", ["techniques()", "ZeroDivisionError: division by zero"]),
    ],
)
def test_a_technique_that_is_badly_declared_is_refused_with_what_is_wrong(plugin, body, words):
    said = refusal(plugin("bad", body))
    assert "'bad'" in said
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("space", "default", "words"),
    [
        ("advisor.Float(0, 1)", "5.0", ["'alpha'", "5.0", "Float(low=0, high=1"]),
        ("advisor.Int(1, 3)", "0", ["'alpha'", "0", "Int(low=1, high=3"]),
        ("advisor.Choice('a', 'b')", "'c'", ["'alpha'", "'c'", "Choice"]),
    ],
)
def test_a_value_tried_first_that_its_own_space_does_not_hold_is_refused(
    plugin, space, default, words
):
    technique = f"""
class Wild(advisor.Technique):
    name, slot, space = "wild", "activation", {{"alpha": {space}}}

    def apply(self, run, alpha={default}):
        return None
"""
    said = refusal(
        plugin("bad", "[Wild()]", more=technique)
    )  # Optuna would refuse it in the middle of a search
    assert "'bad'" in said
    assert "'wild'" in said
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("['oven']", ["advisor.Slot", "'oven'"]),
        ("[Slot('two words', 'what')]", ["plain name", "two words"]),
        ("[Slot('a.b', 'what')]", ["plain name", "a.b"]),
        ("[Slot(3, 'what')]", ["plain name", "3"]),
        ("[Slot('oven', 'what', after='activation')]", ["'oven'", "after", "'activation'"]),
        ("[Slot('training', 'what')]", ["'training'"]),
        ("None", ["slots()", "None"]),
    ],
)
def test_a_slot_that_is_badly_declared_is_refused_with_what_is_wrong(plugin, body, words):
    said = refusal(plugin("bad", slots=body))
    assert "'bad'" in said
    assert all(word in said for word in words), said


@pytest.mark.parametrize(
    ("text", "line", "why"),
    [
        ("import math\n\nx = 1\nmath.sqrt(-x)\n", 4, "ValueError"),
        ("x = 1\nif x\n    pass\n", 2, "SyntaxError"),
        ("import sys\n\nsys.exit()\n", 3, ""),
        (
            "def late():\n    import nowhere\n\nlate()\n",
            2,
            "ModuleNotFoundError: No module named 'nowhere'",
        ),
        ("import advisor\n\nadvisor.Float(2, 1)\n", 3, "low > high"),
    ],
    ids=["raise", "syntax", "exit", "import", "space"],
)
def test_a_plugin_that_raises_on_import_names_its_file_and_line(write, text, line, why):
    path = write("boom.py", text)
    said = refusal(path)
    assert re.search(rf"{re.escape(path)}\D+{line}\b", said), said
    assert why in said
    assert ".." not in said


def test_a_plugin_file_is_mended_and_loads_in_the_same_process(write):
    path = write("mend.py", "import advisor\nraise RuntimeError\n")
    assert "RuntimeError" in refusal(path)
    write(
        "mend.py",
        "import advisor\n\n@advisor.hookimpl\ndef slots():\n    return [advisor.Slot('mended', 'what')]\n",
    )
    assert "mended" in load([path]).slots


def test_a_missing_plugin_file_names_the_one_that_was_meant(plugin, tmp_path):
    plugin("swish", "[]")
    said = refusal(str(tmp_path / "swihs.py"))
    assert str(tmp_path / "swihs.py") in said
    assert "Did you mean 'swish.py'?" in said


@pytest.mark.parametrize("name", ["notes.txt", "folder"])
def test_what_is_no_python_file_is_no_plugin(write, tmp_path, name):
    write("notes.txt", "hello")
    write("folder/__init__.py", "")
    assert str(tmp_path / name) in refusal(str(tmp_path / name))


def test_without_leaves_out_an_installed_plugin_and_its_slot():
    host = load(without=["pretraining"])
    assert [plugin.name for plugin in host.plugins] == [
        name for name in BUILT_IN if name != "pretraining"
    ]
    assert "pretraining" not in host.slots
    assert load(without=BUILT_IN).slots == {}


def test_without_leaves_out_a_broken_plugin_too(installed):
    installed(Entry("gone", "torch_advisor_gone.plugin"))
    assert load(without=["gone"]).broken == ()


def test_without_leaves_out_a_plugin_file_by_its_name(plugin):
    path = plugin("mine", "[Named('activation', 'x')]")
    assert load([path], without=["mine"]).find("activation", "x") is None


def test_without_a_plugin_that_is_not_there_is_refused_with_those_that_are():
    said = refusal(without=["pretrainig"])
    assert "--without pretrainig: no such plugin" in said
    assert ", ".join(BUILT_IN) in said


ORDERS = [
    ({"a": {}, "b": {"after": ["a"]}, "c": {"after": ["b"]}}, "abc"),
    ({"a": {"after": ["b"]}, "b": {"after": ["c"]}, "c": {}}, "cba"),
    ({"a": {}, "b": {"before": ["a"]}, "c": {"before": ["b"]}}, "cba"),
    ({"a": {"after": ["c"]}, "b": {"before": ["c"]}, "c": {}}, "bca"),
    ({"a": {"after": ["nowhere"]}, "b": {"before": ["nowhere"]}}, "ab"),
    ({"a": {}, "b": {}, "c": {}}, "abc"),
]


@pytest.mark.parametrize(("slots", "order"), ORDERS)
def test_slots_are_applied_in_the_order_that_after_and_before_ask_for(
    installed, stranger, slots, order
):
    draw = random.Random(0)
    for _ in range(3):
        names = draw.sample(sorted(slots), len(slots))
        made = [
            advisor.Slot(n, "what", **{key: tuple(value) for key, value in slots[n].items()})
            for n in names
        ]
        installed(stranger("ordered", slots=lambda made=made: made), alone=True)
        assert "".join(load().slots) == order


def test_the_built_in_slots_stand_in_the_order_that_their_techniques_need():
    order = list(load().slots)
    assert (
        order.index("activation")
        < order.index("initializer")
        < order.index("embedding")
        < order.index("pretraining")
    )


def test_slots_that_wait_for_each_other_are_refused_with_the_circle(plugin):
    said = refusal(
        plugin(
            "knot",
            slots="[Slot('hen', 'what', after=('egg',)), Slot('egg', 'what', after=('hen',))]",
        )
    )
    assert "circle" in said
    assert "hen → egg → hen" in said or "egg → hen → egg" in said


def test_a_slot_that_waits_for_itself_is_a_circle(plugin):
    assert "circle: self → self" in refusal(
        plugin("knot", slots="[Slot('self', 'what', before=('self',))]")
    )


@pytest.mark.parametrize(
    ("body", "line"),
    [
        ("    size = advisor.Float(2, 1)\n    return [size]\n", 4),
        ("    return [advisor.Activation]\n", 2),
        ("    return None\n", 2),
        ("    return made()\n\n\ndef made():\n    return 1 / 0\n", 8),
    ],
)
def test_a_hook_that_breaks_is_told_with_its_line(write, body, line):
    path = write("broken.py", f"import advisor\n@advisor.hookimpl\ndef techniques():\n{body}")
    assert f"Plugin 'broken' at line {line}: " in refusal(path)


def test_every_technique_says_what_to_do_by_hand_with_its_own_numbers_also_with_a_rate_of_its_own():
    host = load()
    numbers = []
    for of_slot in host.techniques.values():
        for technique in of_slot.values():
            said = technique.by_hand(0.01, 1e-4, **technique.defaults())
            assert said is None or said
            numbers += technique.space
    assert "lr" in numbers, "pretraining has a rate of its own"
