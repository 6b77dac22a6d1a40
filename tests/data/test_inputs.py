"""How batches of any kind are read, put together and handed to a model, and which of its outputs is
the prediction.
"""

from __future__ import annotations

import collections
from dataclasses import dataclass
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import PackedSequence, pack_padded_sequence, pack_sequence
from torch.utils.data import DataLoader, Dataset, Subset, SubsetRandomSampler, TensorDataset

import advisor
from advisor.data import DatasetPart, TensorPart, open_source
from advisor.errors import InputError
from advisor.model import call, swap, trace
from advisor.model.call import left_out, rows_of
from advisor.model.tracing.output import pick
from advisor.training.loop import TrainingSettings, train
from advisor.training.objective import to_device
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

ROWS = 40
X = torch.randn(ROWS, 3, generator=torch.Generator().manual_seed(0))
Y = torch.arange(ROWS) % 2
IDS = torch.arange(ROWS * 5).reshape(ROWS, 5) % 17
LENGTHS = torch.arange(ROWS) % 5 + 1


# --- calling


class Named(nn.Module):
    def forward(self, x, scale=None):
        return x if scale is None else x * scale


class Two(nn.Module):
    def forward(self, x, scale):
        return x * scale


class Whole(nn.Module):
    def forward(self, batch):
        return batch["x"] * batch["scale"]


class Any_(nn.Module):
    def forward(self, **inputs):
        return inputs["x"] * inputs["scale"]


BATCH = {"x": X, "scale": torch.tensor(2.0)}
PACKED = pack_sequence([X[:3], X[:2]])
Pair = collections.namedtuple("Pair", "x scale")


class Fields(nn.Module):
    def forward(self, batch):
        return batch.x * batch.scale


@pytest.mark.parametrize(
    ("model", "batch"),
    [
        (Named(), BATCH),
        (Named(), (BATCH,)),
        (Named(), collections.UserDict(BATCH)),
        (Two(), (X, BATCH["scale"])),
        (Two(), [X, BATCH["scale"]]),
        (Two(), {**BATCH, "row": torch.arange(ROWS)}),
        (Whole(), BATCH),
        (Whole(), (BATCH,)),
        (Any_(), BATCH),
        (Fields(), Pair(**BATCH)),
    ],
)
def test_a_batch_goes_in_by_position_by_name_or_whole_as_forward_asks(model, batch):
    assert torch.equal(call(model, batch), X * 2)
    assert trace(nn.Sequential(nn.Identity(), nn.Linear(3, 2)), X).output_shape == (ROWS, 2)


def test_a_bare_tensor_and_a_packed_sequence_are_one_argument():
    assert call(Named(), X) is X
    assert call(nn.Identity(), PACKED) is PACKED
    assert rows_of(PACKED) == 2
    assert rows_of({"text": ["a"], "x": X}) == ROWS


def test_keys_that_forward_does_not_know_are_left_out_and_told():
    assert left_out(Two(), {**BATCH, "row": X}) == ["row"]
    assert left_out(Whole(), {**BATCH, "row": X}) == []


class ByName(nn.Module):
    """Ids under one name, numbers under another."""

    def __init__(self, vocab_size, in_features, num_classes=2):
        super().__init__()
        self.embed, self.hidden = nn.Embedding(vocab_size, 4), nn.Linear(4 + in_features, 6)
        self.head = nn.Linear(6, num_classes)

    def forward(self, ids, x):
        return self.head(torch.tanh(self.hidden(torch.cat([self.embed(ids).mean(1), x], 1))))


@pytest.mark.parametrize("kind", [dict, collections.UserDict])
def test_a_model_with_named_inputs_is_traced_and_swapped(kind):
    model, batch = ByName(17, 3), kind({"ids": IDS, "x": X})
    found = trace(model, batch)
    assert found.tables[0].source == "args[0]['ids']"
    assert [site.kind for site in found.hidden] == ["tanh"]
    assert swap(model, found, lambda _: torch.relu, inputs=batch).calls == 1


def test_a_model_that_fails_on_named_inputs_is_told_their_shapes():
    with pytest.raises(InputError, match=r"hidden \(Linear\) got \(40, 7\), expects 6 inputs"):
        trace(ByName(17, 2), {"ids": IDS, "x": X})
    with pytest.raises(InputError, match=r"Two got \(40, 3\).*missing 1 required"):
        trace(Two(), {"x": X})


def test_a_batch_moves_to_a_device_whatever_holds_its_tensors():
    moved = to_device(
        (PACKED, {"x": [X]}, Pair(X, "word"), collections.UserDict(x=X)), torch.device("meta")
    )
    assert isinstance(moved[0], PackedSequence)
    places = (moved[0].data, moved[1]["x"][0], moved[2].x, moved[3]["x"])
    assert {tensor.device.type for tensor in places} == {"meta"}
    assert moved[2].scale == "word"


# --- reading


class Rows(Dataset):
    """Items made by a function of the row's number."""

    def __init__(self, item, rows=ROWS):
        self.item, self.rows = item, rows

    def __len__(self):
        return self.rows

    def __getitem__(self, row):
        return self.item(row)


def taken(data, **options):
    """Inputs and targets of rows 2 and 0 of train, with the source."""
    source = open_source(data=data, test=data, valid=data, **options)
    return (*source.splits(0).train.take(torch.tensor([2, 0])), source)


NAMED = {
    "a dictionary and a label": lambda i: ({"ids": IDS[i], "x": X[i]}, Y[i]),
    "a dictionary with a label": lambda i: {"ids": IDS[i], "x": X[i], "label": int(Y[i])},
    "lists of numbers": lambda i: {"ids": IDS[i].tolist(), "x": X[i].tolist(), "labels": int(Y[i])},
    "words beside": lambda i: {"ids": IDS[i], "x": X[i], "text": "a word", "y": int(Y[i])},
}


@pytest.mark.parametrize("items", NAMED)
def test_items_may_be_dictionaries(items):
    (inputs,), target, source = taken(Rows(NAMED[items]))
    assert torch.equal(inputs["ids"], IDS[[2, 0]])
    torch.testing.assert_close(inputs["x"], X[[2, 0]])
    assert torch.equal(target, Y[[2, 0]])
    assert source.facts.inputs == ((5,), (3,))
    assert {key: source.facts.named()[key] for key in ("vocabulary", "features", "length")} == {
        "vocabulary": 17,
        "features": 3,
        "length": 5,
    }
    assert any("text of each item" in note for note in source.notes) == (items == "words beside")


@pytest.mark.parametrize(
    "data",
    [
        ({"ids": IDS, "x": X}, Y),
        {"ids": IDS, "numbers": X, "y": Y},
        {"x": {"ids": IDS, "x": X}, "y": Y},
    ],
)
def test_arrays_may_be_given_by_name(data):
    (inputs,), target, source = taken(data)
    assert [len(tensor) for tensor in inputs.values()] == [2, 2]
    assert torch.equal(inputs["ids"], IDS[torch.tensor([2, 0])])
    assert torch.equal(target, Y[[2, 0]])
    assert isinstance(source.splits(0).train, TensorPart)


def test_the_label_may_have_any_key_or_position():
    (inputs,), target, source = taken(Rows(lambda i: {"x": X[i], "cls": int(Y[i])}), target="cls")
    assert list(inputs) == ["x"]
    assert torch.equal(target, Y[[2, 0]])
    assert not any("not used" in warning for warning in source.warnings)
    inputs, target, _ = taken(Rows(lambda i: (int(Y[i]), X[i], IDS[i])), target="0")
    assert [tensor.shape[1] for tensor in inputs] == [3, 5]
    assert torch.equal(target, Y[[2, 0]])


def test_inputs_may_be_nested_and_one_number_a_row_stays_as_a_loader_gives_it():
    inputs, _, source = taken(Rows(lambda i: (X[i], (IDS[i], LENGTHS[i]), X[i] > 0, Y[i])))
    assert (inputs[0].shape, inputs[1][0].shape, inputs[1][1].shape) == ((2, 3), (2, 5), (2,))
    assert inputs[2].dtype == torch.bool
    assert source.facts.ids == 17
    assert taken(((X, LENGTHS), Y))[0][1].tolist() == LENGTHS[[2, 0]].tolist()
    assert taken((X[:, 0], Y))[0][0].shape == (2, 1)
    assert taken((LENGTHS, Y))[0][0].shape == (2,)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (lambda i: {"x": X[i], "label": 1, "y": 1}, ["which key", "x, label, y"]),
        (lambda i: {"x": X[i], "clas": 1}, ["dictionary with its label", "x, clas", "--target"]),
        (
            lambda i: ({"x": X[i]} if i else {"z": X[i]}, i % 2),
            ["do not fit together", "keys differ"],
        ),
        (lambda i: ({"x": X[i, : i % 2 + 1]}, i % 2), ["do not fit together", "collate_fn"]),
    ],
)
def test_items_that_cannot_be_read_say_why(item, words):
    with pytest.raises(InputError) as caught:
        open_source(data=Rows(item))
    assert all(word in str(caught.value) for word in words), str(caught.value)


# --- loaders


def longest_first(items):
    items = sorted(items, key=lambda item: -len(item[0]))
    return pack_sequence([x for x, _ in items]), torch.tensor([y for _, y in items])


def ragged(row):
    return torch.full((int(LENGTHS[row]), 2), float(row)), row % 3


def test_a_loaders_own_collate_makes_every_batch_and_targets_follow_its_order():
    source = open_source(
        data=DataLoader(Rows(ragged), batch_size=3, shuffle=True, collate_fn=longest_first)
    )
    assert (source.facts.inputs, source.facts.outputs, source.facts.named()["features"]) == (
        ((2,),),
        3,
        2,
    )
    assert any("order and batch size are those of the study" in note for note in source.notes)
    for part in (source.splits(1).train, source.splits(1).valid, source.splits(1).test):
        assert isinstance(part, DatasetPart)
        (packed,), target = part.take(torch.arange(len(part)))
        rows = packed.data[: len(part), 0].long()
        assert rows.tolist() != sorted(rows.tolist())
        assert torch.equal(target, rows % 3)


def test_a_loader_with_torchs_collate_is_its_dataset():
    found = open_source(
        data={
            "train": DataLoader(TensorDataset(X, Y), batch_size=7),
            "test": DataLoader(Rows(lambda i: (X[i], Y[i]))),
        }
    )
    assert isinstance(found.splits(0).train, TensorPart)
    assert found.facts.sizes == {"train": 30, "valid": 10, "test": 40, "unlabeled": 0}


def test_only_the_rows_that_a_loader_draws_from_are_used():
    whole = TensorDataset(X, Y)
    splits = {"train": range(20), "valid": range(20, 30), "test": range(30, 40)}
    found = open_source(
        data={
            name: DataLoader(whole, sampler=SubsetRandomSampler(rows))
            for name, rows in splits.items()
        }
    )
    assert found.facts.sizes == {"train": 20, "valid": 10, "test": 10, "unlabeled": 0}
    torch.testing.assert_close(found.splits(0).test.take(torch.arange(10))[0][0], X[30:])
    assert open_source(data=DataLoader(Subset(whole, range(12)))).facts.rows == 12


@dataclass
class Graphs:
    x: torch.Tensor
    y: torch.Tensor


COLLATES = {
    "an object that carries its label": lambda items: Graphs(
        torch.stack([x for x, _ in items]), torch.tensor([y for _, y in items])
    ),
    "a dictionary with the label": lambda items: {
        "x": torch.stack([x for x, _ in items]),
        "labels": [y for _, y in items],
    },
    "words as labels": lambda items: (
        torch.stack([x for x, _ in items]),
        ["ab"[y] for _, y in items],
    ),
}


@pytest.mark.parametrize("kind", COLLATES)
def test_a_collate_may_return_what_it_likes(kind):
    inputs, target, source = taken(
        DataLoader(Rows(lambda i: (X[i], int(Y[i]))), collate_fn=COLLATES[kind])
    )
    first = getattr(inputs[0], "x", inputs[0])
    torch.testing.assert_close(first["x"] if isinstance(first, dict) else first, X[[2, 0]])
    assert torch.equal(target, Y[[2, 0]])
    assert source.facts.outputs == 2


def test_unlabeled_rows_are_collated_too():
    labelled = DataLoader(Rows(ragged), collate_fn=longest_first)
    source = open_source(
        data=labelled, unlabeled=DataLoader(Rows(ragged, 6), collate_fn=longest_first)
    )
    (packed,), target = source.splits(0).unlabeled.take(torch.arange(6))
    assert (int(packed.batch_sizes[0]), target) == (6, None)


@pytest.mark.parametrize(
    ("loader", "words"),
    [
        (
            DataLoader(Rows(ragged), collate_fn=lambda items: 1 / 0),
            ["collate_fn failed on 1 items", "ZeroDivisionError"],
        ),
        (
            DataLoader(Rows(ragged), collate_fn=lambda items: pack_sequence([items[0][0]])),
            ["without labels", "--target"],
        ),
        (
            DataLoader(
                Rows(ragged), collate_fn=lambda items: (X, torch.full((len(items),), len(items)))
            ),
            ["not those", "--target"],
        ),
        (DataLoader(Rows(ragged), batch_size=None), ["batch_size=None", "of rows"]),
    ],
)
def test_a_loader_at_fault_says_what_to_return(loader, words):
    with pytest.raises(InputError) as caught:
        open_source(data=loader)
    assert all(word in str(caught.value) for word in words), str(caught.value)


# --- outputs


class Heads(NamedTuple):
    features: torch.Tensor
    logits: torch.Tensor


@dataclass
class Record:
    loss: None
    logits: torch.Tensor


WIDE, NARROW = torch.zeros(4, 9), torch.ones(4, 2)


@pytest.mark.parametrize(
    ("result", "output", "chosen"),
    [
        (NARROW, None, NARROW),
        ((WIDE, NARROW), None, WIDE),
        ((torch.zeros(2, 4, 5), (NARROW, WIDE)), None, NARROW),
        ((WIDE, NARROW), 1, NARROW),
        ((WIDE, NARROW), "1", NARROW),
        ((WIDE, NARROW), -1, NARROW),
        ((torch.arange(4), NARROW), 1, NARROW),
        ((WIDE, (WIDE, NARROW)), "1.1", NARROW),
        ({"features": WIDE, "logits": NARROW}, "logits", NARROW),
        ({"loss": None, "features": WIDE, "logits": NARROW}, 1, NARROW),
        ({"a": {"b": NARROW}, "c": WIDE}, "a.b", NARROW),
        (Heads(WIDE, NARROW), "logits", NARROW),
        (Heads(WIDE, NARROW), 1, NARROW),
        (Record(None, NARROW), None, NARROW),
        (Record(None, NARROW), "logits", NARROW),
        (collections.UserDict(loss=None, logits=NARROW), "logits", NARROW),
    ],
)
def test_the_prediction_is_the_output_that_is_named_or_the_first_of_the_batch(
    result, output, chosen
):
    assert pick(result, 4, output) is chosen


@pytest.mark.parametrize(
    ("result", "output"),
    [((WIDE, NARROW), 2), ({"logits": NARROW, "h": WIDE}, "logit"), ((WIDE, NARROW), -3)],
)
def test_an_output_that_is_not_there_is_refused_with_those_that_are(result, output):
    with pytest.raises(InputError, match=r"no output .*\(4, 2\).*--output"):
        pick(result, 4, output)


class Features(nn.Module):
    """A model that returns what it found and what it says."""

    def __init__(self, in_features, num_classes, width=9):
        super().__init__()
        self.body, self.head = nn.Linear(in_features, width), nn.Linear(width, num_classes)
        self.side = nn.Linear(width, 1)

    def forward(self, x):
        features = torch.relu(self.body(x))
        return features, {"say": self.head(features).log_softmax(1), "side": self.side(features)}


def asked(**options):
    return prepare(
        StudyRef.of(
            advisor.Study(
                "s", advisor.Task(**{"build": Features, "data": (X, Y), **options}), epochs=1
            )
        )
    )


def test_the_chosen_output_reaches_the_trace_the_loss_the_metric_and_the_identity(blobs):
    prepared = asked(output="1.say")
    assert (prepared.objective.loss_name, prepared.objective.kind) == ("nll", "classification")
    run = prepared.run(0, 0)
    assert run.anatomy.output == "log_probabilities"
    assert [layer.name for layer in run.anatomy.layers if layer.is_output] == ["head"]
    result, target = call(run.model, run.example()), torch.zeros(24, dtype=torch.long)
    torch.testing.assert_close(
        run.loss(result, target), nn.functional.nll_loss(result[1]["say"], target)
    )
    assert prepared.objective.answer(result, target) is result[1]["say"]
    assert not any("--output" in note for note in prepared.notes)


def test_who_has_not_chosen_among_several_outputs_is_told_and_torchs_losses_get_a_tensor():
    prepared = asked(loss=nn.CrossEntropyLoss())
    assert any(
        "0 (24, 9), 1.say (24, 2), 1.side (24, 1); 0 is taken" in note for note in prepared.notes
    )
    assert prepared.objective.loss(call(prepared.build(0), (X[:24],)), Y[:24]).isfinite()
    assert any("never right. The model returns 0" in warning for warning in asked().warnings)
    whole = asked(loss=lambda result, target: result[1]["side"].mean())
    assert whole.objective.loss(call(whole.build(0), (X[:24],)), Y[:24]).isfinite()


# --- which sites


def test_sites_are_included_and_excluded_by_pattern_and_a_pattern_that_matches_nothing_lists_them():
    def build():
        return nn.Sequential(
            nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 2), nn.Sigmoid()
        )

    def swapped(**patterns):
        prepared = asked(build=build, kind="classification", loss=nn.CrossEntropyLoss(), **patterns)
        run = prepared.run(0, 0)
        technique = advisor.Activation("asinh", lambda: torch.asinh)
        return technique.unfit(run) or technique.apply(run)

    assert "swapped 2 sites (2 calls): 1, 3" in swapped()
    assert "swapped 1 site (1 call): 3" in swapped(exclude=["1"])
    assert "swapped 3 sites (3 calls): 1, 3, 5" in swapped(include=["[5-9]"])
    assert "--exclude leaves no activation" in swapped(exclude=["*"])
    with pytest.raises(
        InputError, match="--exclude 'layer.*' matches no activation site. The sites are: 1, 3, 5"
    ):
        swapped(exclude=["layer.*"])


# --- a whole study


class Recurrent(nn.Module):
    def __init__(self, input_size, num_classes):
        super().__init__()
        self.rnn, self.hidden, self.head = (
            nn.LSTM(input_size, 5, batch_first=True),
            nn.Linear(5, 6),
            nn.Linear(6, num_classes),
        )

    def forward(self, x, lengths):
        packed = pack_padded_sequence(x, lengths.cpu(), batch_first=True, enforce_sorted=False)
        return self.head(torch.relu(self.hidden(self.rnn(packed)[1][0][-1])))


class OfPacked(nn.Module):
    def __init__(self, input_size, num_classes):
        super().__init__()
        self.rnn, self.hidden, self.head = (
            nn.GRU(input_size, 5),
            nn.Linear(5, 6),
            nn.Linear(6, num_classes),
        )

    def forward(self, packed):
        return self.head(torch.relu(self.hidden(self.rnn(packed)[1][-1])))


SEQUENCES = torch.randn(ROWS, 5, 2, generator=torch.Generator().manual_seed(1))
STUDIES = {
    "named inputs": (ByName, Rows(NAMED["a dictionary with a label"])),
    "lengths": (Recurrent, ((SEQUENCES, LENGTHS), Y)),
    "packed sequences": (OfPacked, DataLoader(Rows(ragged), collate_fn=longest_first)),
}


@pytest.mark.parametrize("name", STUDIES)
def test_models_with_such_inputs_are_tuned_to_the_end(name, tmp_path):
    build, data = STUDIES[name]
    only = {
        "activation": ["elu"],
        "initializer": ["orthogonal"],
        "pretraining": [],
        "embedding": [],
    }
    study = advisor.Study(
        "s", advisor.Task(build=build, data=data), trials=3, epochs=1, seeds=3, only=only
    )
    found = advisor.tune(study, storage=f"sqlite:///{tmp_path}/a.db", workers=0)
    assert found.trials == {"complete": 3, "pruned": 0, "failed": 0}


SCRIPT = """
import torch
from torch import nn
x, y = torch.load("nowhere.pt")
class Net(nn.Module):
    def __init__(self, in_features, num_classes):
        super().__init__()
        self.body, self.head = nn.Linear(in_features, 5), nn.Linear(5, num_classes)
    def forward(self, x):
        features = torch.tanh(self.body(x))
        return features, self.head(features)
def data():
    return torch.arange(40.0).reshape(20, 2) / 40, torch.arange(20) % 2
raise SystemExit(1)
"""


def test_a_script_is_asked_about_by_its_definitions_from_the_command_line(advise, write):
    task = (
        "--model",
        write("a_script_that_runs.py", SCRIPT) + ":Net",
        "--data",
        "a_script_that_runs.py:data",
        "--output",
        "1",
    )
    said = advise("diagnose", *task, "--exclude", "forward*", "--definitions-only", "--json")
    assert said.code == 0, said.err
    assert '"output": "logits"' in said.out
    assert "--exclude leaves no activation" in said.out
    said = advise("diagnose", *task)
    assert (said.code, "use --definitions-only" in said.err) == (2, True)


def test_a_lazy_layer_draws_its_start_by_the_seed_and_trains():
    x = torch.randn(90, 5)
    task = advisor.Task(
        lambda: nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.LazyLinear(2)),
        (x, (x[:, 0] > 0).long()),
    )
    prepared = prepare(StudyRef.of(advisor.Study("lazy", task)))
    one, same, other = (prepared.build(seed).state_dict() for seed in (1, 1, 2))
    assert one["0.weight"].shape == (8, 5)
    assert torch.equal(one["0.weight"], same["0.weight"])
    assert not torch.equal(one["0.weight"], other["0.weight"])
    run = prepared.run(1, 0)
    assert (
        len(list(train(run, TrainingSettings(1e-3, 0.0, 32, 0, 1), prepared.splits(0).valid))) == 1
    )
