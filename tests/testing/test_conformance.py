"""The conformance kit: every built-in technique keeps its promises, and what breaks one is told
with its line.
"""

from __future__ import annotations

import re

import pytest
import torch
from torch import nn

import advisor
from advisor.host.host import load, offer_of
from advisor.technique import KEEP
from advisor.testing import (
    check_technique,
    checks_of,
    parametrize_with_checks,
    promises_of,
    results,
)
from advisor.testing.promise import PROMISES
from advisor.testing.subject import Subject

HOST = load()
BUILT_IN = [
    technique
    for found in HOST.techniques.values()
    for name, technique in found.items()
    if name != KEEP
]


@pytest.mark.parametrize(
    "technique", BUILT_IN, ids=lambda technique: f"{technique.slot}.{technique.name}"
)
def test_every_built_in_technique_keeps_every_promise_that_it_makes(technique):
    found = list(results(checks_of(technique, known=HOST.slots)))
    assert not [result.message for result in found if result.status == "broken"]
    kept = [result.check for result in found if result.status == "kept"]
    assert {"named", "placed", "cited", "legal_space", "judges"} <= set(kept)
    assert len(kept) > 15 or any("it fits none" in result.message for result in found)


def test_every_promise_is_a_sentence_with_a_name_of_its_own_and_is_kept_by_someone():
    assert len({each.name for each in PROMISES}) == len(PROMISES) > 25
    assert all(re.fullmatch(r"[A-Z`].{20,110}\.", each.text) for each in PROMISES)
    made = {each.name for technique in BUILT_IN for each in promises_of(technique)}
    assert made == {each.name for each in PROMISES}


# --- what breaks a promise
# ------------------------------------------------------------------------------------------------

HEAD = """\
import random
import numpy
import torch
from torch import nn
import advisor


"""
WAVE = '''\
class Wave(nn.Module):
    """A wave."""

    def __init__(self, a=1.0):
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))

    def forward(self, x):
        return x + torch.sin(self.a * x) ** 2 / self.a


@advisor.hookimpl
def techniques():
    return [advisor.Activation("wavy", Wave, cite="me 2026", space={"a": advisor.Float(0.2, 5.0, default=1.0)})]
'''
OWN = '''\
class Own(advisor.Technique):
    """Something of one's own."""

    name, slot, cite = "own", "initializer", "me 2026"
    space = {"size": advisor.Float(0.1, 1.0, default=0.5)}

    def unfit(self, run):
        return None

    def apply(self, run, size=0.5):
        for parameter in run.model.parameters():
            if parameter.requires_grad:
                parameter.data.mul_(size)


@advisor.hookimpl
def techniques():
    return [Own()]
'''
WORK = "                parameter.data.mul_(size)\n"
APPLY = "    def apply(self, run, size=0.5):\n"

BROKEN = {  # what is replaced in which plugin, by what, the promise that breaks, and words of the line that is named
    "batch mean": (WAVE, "return x +", "return x - x.mean(0) +", "elementwise", "def forward"),
    "neighbours": (WAVE, "return x +", "return x.softmax(-1) +", "elementwise", "def forward"),
    "other shape": (
        WAVE,
        "x + torch.sin(self.a * x) ** 2 / self.a",
        "x[..., :1] ** 2",
        "elementwise",
        "def forward",
    ),
    "not finite": (
        WAVE,
        "return x +",
        "return torch.exp(x * x) +",
        "finite_far_out",
        "def forward",
    ),
    "no gradient": (
        WAVE,
        "x + torch.sin(self.a * x) ** 2 / self.a",
        "x.relu().detach()",
        "finite_far_out",
        "def forward",
    ),
    "affine": (WAVE, "torch.sin(self.a * x) ** 2 / self.a", "self.a", "bends", "def forward"),
    "factory raises": (WAVE, "super().__init__()", "super().__init__(); 1 / 0", "fits", "1 / 0"),
    "raises at an end of its space": (
        WAVE,
        "super().__init__()",
        "super().__init__(); assert a < 5, a",
        "fits",
        "assert a",
    ),
    "a parameter that is not registered": (
        *(
            WAVE,
            "nn.Parameter(torch.tensor(a))",
            "torch.tensor(a, requires_grad=True)",
            "registers",
            "def __init__",
        ),
    ),
    "parameters in a list": (
        *(WAVE, WAVE[WAVE.index("        self.a = nn") : WAVE.index("@advisor")]),
        "        self.all = [nn.Parameter(torch.tensor(a))]\n\n",
        "    def forward(self, x):\n        return self.all[0] * x * x\n\n\n",
        *("registers", "def __init__"),
    ),
    "noise in evaluation": (
        WAVE,
        "self.a * x)",
        "self.a * x + torch.rand(()))",
        "steady",
        "def forward",
    ),
    "counts its calls": (
        *(
            WAVE,
            "        return x +",
            "        self.calls = getattr(self, 'calls', 0) + 1\n        return self.calls * x +",
        ),
        *("steady", "def forward"),
    ),
    "draws its start": (
        WAVE,
        "torch.tensor(a)",
        "torch.rand(())",
        "leaves_global_random_numbers",
        "def __init__",
    ),
    "a space with a wrong name": (WAVE, 'space={"a"', 'space={"b"', "takes_its_space", '"wavy"'),
    "too large to be finite": (
        WAVE,
        "torch.sin(self.a * x)",
        "torch.exp(2 * self.a * x)",
        "finite_far_out",
        "def forward",
    ),
    "lambda": (WAVE, "self.a = nn", "self.f = lambda: 1; self.a = nn", "copies", "def __init__"),
    "a name with a space": (WAVE, '"wavy"', '"my wave"', "named", '"my wave"'),
    "no source": (WAVE, ', cite="me 2026"', "", "cited", '"wavy"'),
    "a default outside the space": (OWN, "size=0.5", "size=2.0", "legal_space", "space ="),
    "an unknown slot": (OWN, '"initializer"', '"initialiser"', "placed", "name, slot, cite"),
    "mends nothing": (
        OWN,
        "    def unfit",
        "    mends = ('colapsed',)\n\n    def unfit",
        "mends_what_is_found",
        "mends =",
    ),
    "unfit says yes": (OWN, "return None", "return True", "judges", "def unfit"),
    "unfit raises": (OWN, "return None", "return run.nothing", "judges", "return run.nothing"),
    "unfit changes": (OWN, "return None", "run.model.head.bias.data += 1", "judges", "def unfit"),
    "apply raises": (
        OWN,
        WORK,
        WORK + "        raise KeyError('gone')\n",
        "applies",
        "raise KeyError",
    ),
    "two lines": (OWN, WORK, WORK + "        return 'a\\nb'\n", "applies", "def apply"),
    "raises at an end": (
        OWN,
        APPLY,
        APPLY + "        assert size < 0.9, size\n",
        "applies_at_the_ends",
        "assert size",
    ),
    "torch.manual_seed": (
        OWN,
        APPLY,
        APPLY + "        torch.manual_seed(0)\n",
        "leaves_global_random_numbers",
        "def apply",
    ),
    "numpy.random": (
        OWN,
        APPLY,
        APPLY + "        numpy.random.rand()\n",
        "leaves_global_random_numbers",
        "def apply",
    ),
    "random": (
        OWN,
        APPLY,
        APPLY + "        random.random()\n",
        "leaves_global_random_numbers",
        "def apply",
    ),
    "not repeatable": (OWN, "mul_(size)", "mul_(float(torch.rand(())))", "repeats", "def apply"),
    "frozen weights": (OWN, "if parameter.requires_grad:", "if True:", "keeps_frozen", "def apply"),
    "unfreezes": (
        OWN,
        APPLY,
        APPLY + "        run.model.requires_grad_(True)\n",
        "keeps_frozen",
        "def apply",
    ),
    "infinite": (OWN, "mul_(size)", "fill_(float('inf'))", "finite", "def apply"),
    "unties": (
        *(
            OWN,
            WORK,
            WORK
            + "        if hasattr(run.model, 'table'):\n            run.model.head.weight = nn.Parameter(",
        ),
        *("run.model.head.weight.detach().clone())\n", "keeps_ties", "def apply"),
    ),
    "padding": (
        *(
            OWN,
            WORK,
            WORK
            + "        if hasattr(run.model, 'table'):\n            run.model.table.weight.data += 1\n",
        ),
        *("keeps_padding", "def apply"),
    ),
    "loses keys": (
        OWN,
        WORK,
        WORK + "        run.model.head = nn.Sequential(run.model.head)\n",
        "keeps_keys",
        "def apply",
    ),
    "peeks": (OWN, APPLY, APPLY + "        run.task.test[0]\n", "blind", "run.task.test"),
    "peeks in silence": (
        *(
            OWN,
            APPLY,
            APPLY
            + "        try:\n            len(run.task.valid)\n        except LookupError:\n            pass\n",
        ),
        *("blind", "def apply"),
    ),
    "freezes all": (
        OWN,
        WORK,
        WORK + "        run.model.requires_grad_(False)\n",
        "trains",
        "def apply",
    ),
    "a hook that no pickle holds": (
        *(OWN, WORK, WORK + "        run.model.register_forward_hook(lambda *_: None)\n"),
        *("copies", "def apply"),
    ),
    "costs": (OWN, WORK, WORK + "        run.costs['own'] = float('nan')\n", "costs", "def apply"),
    "forgets parameters": (
        *(
            OWN,
            WORK,
            WORK
            + "        run.optimizer = lambda groups, lr, decay: torch.optim.SGD(groups[:1], lr=lr)\n",
        ),
        *("groups", "def apply"),
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_what_breaks_a_promise_is_told_with_the_promise_and_the_line(how, write):
    *parts, check, line = BROKEN[how]
    text, old, new = parts[0], parts[1], "".join(parts[2:])
    assert old in text
    text = HEAD + text.replace(old, new, 1)
    offer = offer_of(write("broken.py", text))
    (technique,) = offer.techniques
    checks = {
        each.promise.name: each for each in checks_of(technique, file=offer.file, known=HOST.slots)
    }
    found = checks[check].result({})
    assert found.status == "broken", found
    name, _, number = found.place.partition(":")
    assert name == "broken.py"
    assert line in text.splitlines()[int(number) - 1]
    assert found.message.startswith(
        f'broken.py:{number} {technique.name} breaks "{checks[check].promise.quoted}": '
    )
    assert len(found.message) > len(found.promise) + 60


# --- slots of their own, initializers, pretraining, embeddings
# ------------------------------------------------------------


def broken(technique, *slots):
    return {
        r.check: r.message
        for r in results(checks_of(technique, slots=slots, known=HOST.slots))
        if r.status == "broken"
    }


class Quiet(advisor.Technique):
    name, slot, cite = "quiet", "oven", "me"

    def apply(self, run):
        return None


class Wrapping(Quiet):
    def apply(self, run):
        for name, module in list(run.model.named_children()):
            if not isinstance(module, nn.Embedding):
                setattr(run.model, name, nn.Sequential(module))


class UnfreezingWrap(Wrapping):
    def apply(self, run):
        super().apply(run)
        run.model.requires_grad_(True)


def test_a_layer_that_is_wrapped_is_told_to_lose_its_keys_and_not_to_be_unfrozen():
    slot = advisor.Slot("oven", "heat")
    told = broken(Wrapping(), slot)
    assert "keeps_keys" in told
    assert "keeps_frozen" not in told
    assert "it unfroze" in broken(UnfreezingWrap(), slot)["keeps_frozen"]


@pytest.mark.parametrize(
    ("slot", "word"),
    [
        (advisor.Slot("oven", "heat", after=("activaton",)), "Did you mean 'activation'?"),
        (advisor.Slot("oven", ""), "does not say what it is"),
        (advisor.Slot("training", "heat"), "cannot be called 'training'"),
        (advisor.Slot("oven", "heat", before=("oven",)), "ordered by 'oven'"),
    ],
)
def test_a_slot_of_a_plugins_own_is_named_described_and_ordered_by_slots_that_exist(slot, word):
    technique = Quiet()
    technique.slot = slot.name
    assert word in broken(technique, slot)["ordered"]
    assert "ordered" not in broken(Quiet(), advisor.Slot("oven", "heat", after=("activation",)))


class Fixed(advisor.Initializer):
    name, cite = "fixed", "me"

    def fill(self, weight, fans, generator, **params):
        weight.copy_(torch.randn(weight.shape, generator=torch.Generator().manual_seed(0)))


class Stacked(Fixed):
    def start(self, layer, generator, **params):
        for parameter in layer.module.parameters(recurse=False):
            if parameter.ndim > 1:
                self.fill(parameter.data, None, generator)
            elif layer.kind == "rnn":
                parameter.data.fill_(1.0)


class Normless(Fixed):
    def apply(self, run, **params):
        told = super().apply(run)
        for module in run.model.modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.data.fill_(2.0)
        return told


@pytest.mark.parametrize(
    ("made", "check"),
    [
        (Fixed, "draws_by_the_seed"),
        (Stacked, "fills_blocks"),
        (Stacked, "sets_the_forget_gate_once"),
        (Normless, "leaves_norms"),
    ],
)
def test_an_initializer_that_breaks_a_promise_is_told(made, check):
    assert check in broken(made())


@pytest.mark.parametrize("value", [torch.zeros_like, torch.ones_like])
def test_an_initializer_that_draws_nothing_need_not_follow_the_seed(value):
    class Built(advisor.Initializer):
        name, cite = "built", "me"

        def fill(self, weight, fans, generator, **params):
            weight.copy_(value(weight) / 8)

    assert "draws_by_the_seed" not in broken(Built())


class Worse(advisor.Pretraining):
    name, cite, space = "worse", "me", {}

    def learn(self, segment, inputs, generator, **params):
        segment.weight.data.add_(1.0)
        return 1.0, 2.0


class Mute(Worse):
    def learn(self, segment, inputs, generator, **params):
        return "better"


class Peeking(Worse):
    def apply(self, run, **params):
        run.model.parameters().__next__().data.add_(float(run.data.train.target[0]))
        (next(run.model.parameters()).sum() * 2).backward()


@pytest.mark.parametrize(
    ("made", "check"),
    [
        (Worse, "lowers_its_loss"),
        (Mute, "lowers_its_loss"),
        (Peeking, "learns_without_targets"),
        (Peeking, "leaves_no_gradients"),
    ],
)
def test_pretraining_that_breaks_a_promise_is_told(made, check):
    assert check in broken(made()) or (made is Mute and "applies" in broken(made()))


class Overreaching(advisor.Embedding):
    name, cite = "overreaching", "me"

    def vectors(self, sentences, width, seed, **params):
        return {}

    def apply(self, run, **params):
        run.model.head.weight.data.mul_(1.0 + run.data.train.target[0])


def test_an_embedding_that_breaks_its_promises_is_told():
    assert {"fills_rows"} <= set(broken(Overreaching()))


# --- from a plugin's own tests
# --------------------------------------------------------------------------------------------


class Mended(Quiet):
    name, cite = "mended", ""
    waived = {"cited": "there is no paper"}


OVEN = advisor.Slot("oven", "how hot")


@parametrize_with_checks([Mended()], slots=[OVEN])
def test_a_plugins_tests_get_one_test_for_each_promise(check):
    found = check()
    assert found.status in ("kept", "skipped")


def test_a_technique_is_held_to_its_promises_in_one_call():
    class Uncited(Quiet):
        cite = ""

    with pytest.raises(
        AssertionError, match='breaks "a technique says in one line where it is from"'
    ):
        check_technique(Uncited(), slots=[OVEN])
    found = check_technique(Uncited(), slots=[OVEN], waive={"cited": "there is no paper"})
    assert [(each.check, each.message) for each in found if each.waived] == [
        ("cited", "waived: there is no paper")
    ]


@pytest.mark.parametrize(
    ("waived", "word"),
    [
        ({"cited": " "}, "without a reason"),
        ({"citd": "why"}, "Did you mean 'cited'?"),
        ({"cited": None}, "reason"),
    ],
)
def test_a_waiver_needs_a_reason_and_a_check_that_exists(waived, word):
    technique = Quiet()
    technique.waived = waived
    with pytest.raises(advisor.InputError, match=re.escape(word)):
        check_technique(technique, slots=[OVEN])


def test_each_try_is_made_once_for_all_checks():
    calls = []

    class Counted(Quiet):
        def apply(self, run):
            calls.append(run)

    subject = Subject(Counted(), {"oven": OVEN}, True)
    assert all(
        one is two
        for one, two in zip(
            [t for _, t in subject.tries()], [t for _, t in subject.tries()], strict=True
        )
    )
    assert len(calls) == len(subject.all)
