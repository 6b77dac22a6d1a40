"""A loaded start is respected by every technique, and no training changes what it was loaded
from.
"""

from __future__ import annotations

import copy
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

import advisor
from advisor.host.host import load
from advisor.technique import KEEP
from advisor.training.run import apply
from advisor.work.job import work
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

WORDS, WIDTH = 40, 8
WHOLE = ("a file",)
"""The starts with which every technique is tried; with others, one of each way to apply them."""
TECHNIQUES = [
    technique
    for by_name in load().techniques.values()
    for technique in by_name.values()
    if technique.name != KEEP
]
FEW = [
    *{(each.slot, type(each).apply): each for each in TECHNIQUES if each.standard}.values(),
    *(each for each in TECHNIQUES if each.slot == "activation"),
]


class Reader(nn.Module):
    """Reads texts: a table, two hidden layers of which one may be loaded, a head."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(WORDS, WIDTH)
        self.known, self.hidden = nn.Linear(WIDTH, 16), nn.Linear(16, 16)
        self.head = nn.Linear(16, 2)

    def forward(self, ids):
        return self.head(torch.relu(self.hidden(torch.relu(self.known(self.table(ids).mean(1))))))


class Block(nn.Module):
    """A residual branch that ends in a normalization."""

    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Conv2d(6, 6, 3, padding=1), nn.Conv2d(6, 6, 3, padding=1)
        self.norm = nn.BatchNorm2d(6)

    def forward(self, x):
        return x + self.norm(self.last(torch.relu(self.first(x))))


class Seer(nn.Module):
    """Sees images: a stem and two residual blocks, of which one may be loaded."""

    def __init__(self):
        super().__init__()
        self.known, self.block, self.head = Block(), Block(), nn.Linear(6, 2)
        self.stem = nn.Conv2d(3, 6, 3, padding=1)

    def forward(self, x):
        return self.head(torch.relu(self.block(self.known(self.stem(x)))).mean((2, 3)))


class Attending(nn.Module):
    """A loaded and a fresh layer of a transformer."""

    def __init__(self):
        super().__init__()
        self.known, self.hidden = (
            nn.TransformerEncoderLayer(6, 2, 12, batch_first=True) for _ in "ab"
        )
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        return self.head(self.hidden(self.known(x)).mean(1))


def weights_of(kind, prefixes):
    """What another training left of some layers, each drawn by itself."""
    torch.manual_seed(5)
    state = kind().state_dict()
    found = {name: value for name, value in state.items() if name.startswith(prefixes)}
    for name, value in found.items():
        if value.is_floating_point():
            found[name] = value + 0.3 * torch.rand(value.shape)
    return found


VECTORS = torch.randn(WORDS, WIDTH, generator=torch.Generator().manual_seed(1)) / 4


def texts():
    generator = torch.Generator().manual_seed(2)
    return torch.randint(2, WORDS, (80, 9), generator=generator), torch.arange(80) % 2


def rows(*shape):
    generator = torch.Generator().manual_seed(2)
    return torch.randn(80, *shape, generator=generator), torch.arange(80) % 2


def from_file(folder):
    path = folder / "known.pt"
    torch.save(weights_of(Reader, ("table", "known")), path)

    def net():
        model = Reader()
        model.load_state_dict(torch.load(path), strict=False)
        return model

    return net, ("table", "known"), texts


def from_dictionary(folder):
    known = weights_of(Seer, ("known",))

    def net():
        model = Seer()
        model.load_state_dict(known, strict=False)
        return model

    return net, ("known",), lambda: rows(3, 6, 6)


def assigned(folder):
    known = weights_of(Attending, ("known",))

    def net():
        model = Attending()
        model.load_state_dict(known, strict=False, assign=True)
        return model

    return net, ("known",), lambda: rows(5, 6)


def frozen_file(folder):
    make, names, data = from_file(folder)

    def net():
        model = make()
        model.table.requires_grad_(False)
        model.known.requires_grad_(False)
        return model

    return net, names, data


def embedding(freeze):
    def made(folder):
        def net():
            model = Reader()
            model.table = nn.Embedding.from_pretrained(VECTORS, freeze=freeze)
            return model

        return net, ("table",), texts

    return made


def everything(folder):
    state = weights_of(Reader, ("",))

    def net():
        model = Reader()
        model.load_state_dict(state)
        return model

    return net, ("",), texts


STARTS = {
    "a file": from_file,
    "a file, frozen": frozen_file,
    "a dictionary": from_dictionary,
    "a dictionary that is assigned": assigned,
    "a table": embedding(freeze=False),
    "a frozen table": embedding(freeze=True),
    "all": everything,
}


@pytest.mark.parametrize("how", STARTS)
def test_every_technique_leaves_what_the_constructor_loads_or_says_why_it_cannot_be_tried(
    how, tmp_path
):
    net, names, data = STARTS[how](tmp_path)
    task = advisor.Task(build=net, data=data, vectors=vectors_in(tmp_path))
    prepared = prepare(StudyRef.of(advisor.Study("loaded", task, epochs=1)))
    loaded = {name for name, _ in net().named_parameters() if name.startswith(names)}
    wide = {name for name, value in net().named_parameters() if value.ndim > 1}
    assert wide & loaded <= prepared.loaded <= loaded
    values = {name: value.clone() for name, value in net().state_dict().items() if name in loaded}

    applied = set()
    for technique in TECHNIQUES if how in WHOLE else FEW:
        run = prepared.run(0, 0)
        weights = {name: each for name, each in run.model.named_parameters() if name in loaded}
        if technique.unfit(run) is not None:
            continue
        applied.add(technique.slot)
        said = apply(run, [(technique, technique.defaults())])
        for name, weight in weights.items():
            assert torch.equal(weight, values[name]), (technique, name, said)
        kept = {id(weight) for weight in run.model.parameters()}
        assert all(id(weight) in kept for weight in weights.values()), technique
    # Where all is loaded, only functions are left to change.
    tried = {"activation"} if how == "all" else {"activation", "initializer", "pretraining"}
    assert tried <= applied
    assert ("embedding" in applied) is False


def vectors_in(folder):
    """A file of word vectors, for words that are called by their ids."""
    path = folder / "vectors.txt"
    lines = [f"{i} " + " ".join(f"{x:.3f}" for x in VECTORS[i].tolist()) for i in range(WORDS)]
    path.write_text("\n".join(lines))
    return path


def test_techniques_of_several_slots_leave_what_is_loaded_whatever_the_first_has_wrapped(tmp_path):
    class Wraps(advisor.Technique):
        name, slot, cite = "wraps", "activation", "a test"

        def apply(self, run):
            run.model.known = nn.Sequential(run.model.known, nn.Identity())

    net, _, data = from_file(tmp_path)
    prepared = prepare(StudyRef.of(advisor.Study("loaded", advisor.Task(build=net, data=data))))
    run = prepared.run(0, 0)
    known = run.model.known
    before = copy.deepcopy(known.state_dict())
    said = apply(run, [(Wraps(), {}), (prepared.host.find("initializer", "he"), {})])
    assert torch.equal(known.weight, before["weight"])
    assert "known.0 (loaded by the model's constructor)" in said["initializer"].replace(
        "table, ", ""
    )


def test_no_training_changes_what_the_constructor_has_taken_from_elsewhere(tmp_path):
    before = VECTORS.clone()
    for how in ("a table", "a dictionary that is assigned"):
        net, _, data = STARTS[how](tmp_path)
        task = advisor.Task(build=net, data=data)
        ref = StudyRef.of(advisor.Study("loaded", task, epochs=1))
        prepared = prepare(ref)
        one, two = (prepared.run(0, 0).model for _ in range(2))
        for mine, theirs in zip(one.parameters(), two.parameters(), strict=True):
            assert torch.equal(mine, theirs)
            mine.data.add_(1.0)
            assert not torch.equal(mine, theirs)
        assert [p.requires_grad for p in one.parameters()] == [
            p.requires_grad for p in net().parameters()
        ]
    assert torch.equal(VECTORS, before)


def test_tensors_that_share_memory_go_on_sharing_it():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            whole = torch.randn(6, 4)
            self.one, self.two = nn.Parameter(whole[:4]), nn.Parameter(whole[2:])
            self.first, self.second = nn.Linear(4, 4), nn.Linear(4, 2)
            self.third = nn.Linear(4, 4)
            self.third.weight = self.first.weight
            self.register_buffer("seen", self.first.weight.data.T)

        def forward(self, x):
            return self.second(self.first(x) @ self.one.T + self.third(x))

    task = advisor.Task(build=Tied, data=lambda: rows(4))
    model = prepare(StudyRef.of(advisor.Study("tied", task))).build(0)
    with torch.no_grad():
        model.one[2:].fill_(7.0)
        model.first.weight[0, 1] = 9.0
    assert bool((model.two[:2] == 7.0).all())
    assert model.third.weight is model.first.weight
    assert model.seen[1, 0] == 9.0


def test_two_trainings_from_a_table_of_the_users_own_begin_alike(job, tmp_path):
    net, _, data = STARTS["a table"](tmp_path)
    ref = StudyRef.of(advisor.Study("loaded", advisor.Task(build=net, data=data)))
    first = job(ref=ref)
    one, two = (work(replace(first, params={**first.params, "training.lr": 0.1})) for _ in range(2))
    assert [epoch.loss for epoch in one.curve] == [epoch.loss for epoch in two.curve]
    assert one.curve
    assert np.isfinite(one.curve[-1].loss)


def test_a_model_that_trains_a_layer_of_the_model_before_is_refused_with_what_to_do():
    backbone = nn.Linear(4, 8)
    task = advisor.Task(
        build=lambda: nn.Sequential(backbone, nn.ReLU(), nn.Linear(8, 2)), data=lambda: rows(4)
    )
    prepared = prepare(StudyRef.of(advisor.Study("shared", task)))
    with pytest.raises(advisor.InputError, match=r"whose 0 is that of the model before.*deepcopy"):
        prepared.build(0)
    # What is not trained may be shared.
    backbone.requires_grad_(False)
    prepared = prepare(StudyRef.of(advisor.Study("shared", task)))
    assert prepared.build(0)[0].weight is prepared.build(1)[0].weight
