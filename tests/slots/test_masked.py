"""Masked modelling: what is hidden, where the model is read, and what it learns."""

import pytest
import torch
from advisor_plugins.pretraining.masked import MaskedInputs, signals
from advisor_plugins.pretraining.masks import Columns, Steps, Words, groups_of
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F


def noise(seed=0):
    return torch.Generator().manual_seed(seed)


def table(rows=200, seed=0):
    """Three columns of which the third is the sum of the others, and a category of three words."""
    draw = noise(seed)
    x = torch.randn(rows, 2, generator=draw)
    words = F.one_hot(torch.arange(rows) % 3, 3).float()
    return torch.cat([x, x.sum(1, keepdim=True), words], 1)


def texts(rows=120, places=9, words=12, seed=0):
    """Words that count up from the first one; 0 fills up the last two places of every other row."""
    first = torch.randint(1, words, (rows, 1), generator=noise(seed))
    ids = (first + torch.arange(places) - 1) % (words - 1) + 1
    ids[::2, -2:] = 0
    return ids


class Same(nn.Module):
    """A decoder that gives the signal."""

    def forward(self, x):
        return x


# ---------------------------------------------------------------- what is hidden


def test_columns_of_one_category_are_a_group_and_others_are_their_own():
    assert groups_of(table()).tolist() == [0, 1, 2, 3, 3, 3]
    yes_or_no = (torch.arange(60) % 2).float()[:, None]
    both = torch.cat([yes_or_no, table(60)[:, 3:], yes_or_no.roll(1) * yes_or_no, yes_or_no], 1)
    assert groups_of(both).tolist() == [0, 1, 1, 1, 2, 3]


def test_a_share_of_columns_has_the_values_of_other_rows_and_a_category_is_hidden_whole():
    rows = table(3000)
    changed, masked = Columns(rows).corrupted(rows, 0.3, noise())
    assert torch.equal(changed[~masked], rows[~masked])
    assert masked.float().mean(0).tolist() == pytest.approx([0.3] * 6, abs=0.03)
    assert torch.equal(masked[:, 3], masked[:, 4])
    assert torch.equal(masked[:, 3], masked[:, 5])
    assert bool((changed[:, 3:].sum(1) == 1).all())
    for column in range(3):
        other = changed[masked[:, column], column]
        assert bool(torch.isin(other, rows[:, column]).all())
        assert float((other != rows[masked[:, column], column]).float().mean()) > 0.99


def test_the_error_of_a_table_is_that_of_hidden_entries_alone():
    rows = table(400)
    masking = Columns(rows)
    predicted = torch.randn(400, 6, generator=noise(1))
    _, masked = masking.corrupted(rows, 0.4, noise())
    got = masking.error(Same(), predicted, rows, masked)
    scaled = (rows - rows.mean(0)) / rows.std(0, correction=0)
    squared = (predicted - scaled).square()[:, :3]
    two = F.binary_cross_entropy_with_logits(predicted[:, 3:], rows[:, 3:], reduction="none")
    by_hand = torch.cat([squared, two], 1)[masked].mean()
    torch.testing.assert_close(got, by_hand)
    # What is not hidden counts for nothing, and nothing hidden costs nothing.
    elsewhere = torch.where(masked, predicted, predicted + 7)
    torch.testing.assert_close(masking.error(Same(), elsewhere, rows, masked), got)
    assert float(masking.error(Same(), predicted, rows, torch.zeros_like(masked))) == 0


def test_steps_that_fill_up_are_left_alone():
    rows = torch.randn(500, 8, 3, generator=noise())
    rows[::2, 5:] = 0
    masking = Steps(rows)
    changed, masked = masking.corrupted(rows, 0.25, noise())
    there = (rows != 0).any(-1)
    assert not bool((masked & ~there).any())
    assert float(masked[there].float().mean()) == pytest.approx(0.25, abs=0.02)
    assert torch.equal(changed[~masked], rows[~masked])
    predicted = torch.randn(500, 8, 3, generator=noise(1))
    by_hand = (
        (predicted - (rows - rows[there].mean(0)) / rows[there].std(0, correction=0))
        .square()[masked]
        .mean()
    )
    torch.testing.assert_close(masking.error(Same(), predicted, rows, masked), by_hand)
    whole = predicted.flatten(1)
    torch.testing.assert_close(masking.error(Same(), whole, rows, masked), by_hand)


def test_words_are_those_of_other_places_and_padding_is_left_alone():
    ids = texts(2000)
    changed, masked = Words(12, 0).corrupted(ids, 0.2, noise())
    there = ids != 0
    assert not bool((masked & ~there).any())
    assert not bool((changed[there] == 0).any())
    assert float(masked[there].float().mean()) == pytest.approx(0.2, abs=0.01)
    assert torch.equal(changed[~masked], ids[~masked])


def test_the_error_of_words_is_the_cross_entropy_of_hidden_ones():
    ids = texts(50)
    masking = Words(12, 0)
    _, masked = masking.corrupted(ids, 0.3, noise())
    by_place = torch.randn(50, 9, 12, generator=noise(1))
    got = masking.error(Same(), by_place, ids, masked)
    torch.testing.assert_close(got, F.cross_entropy(by_place[masked], ids[masked]))
    of_rows = by_place[:, 0]
    same_everywhere = of_rows[:, None].expand(-1, 9, -1)
    torch.testing.assert_close(
        masking.error(Same(), of_rows, ids, masked),
        masking.error(Same(), same_everywhere, ids, masked),
    )
    nothing = torch.zeros_like(masked)
    assert float(masking.error(Same(), by_place, ids, nothing)) == 0


# ---------------------------------------------------------------- where the model is read


class Bag(nn.Module):
    """The mean of the vectors, and a hidden layer."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 8, padding_idx=0)
        self.hidden, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, ids):
        return self.head(torch.relu(self.hidden(self.table(ids).mean(1))))


class Attending(nn.Module):
    """A layer of attention, a layer for each place, and the mean."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 8, padding_idx=0)
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.each, self.head = nn.Linear(8, 6), nn.Linear(6, 2)

    def forward(self, ids):
        return self.head(torch.tanh(self.each(self.attention(self.table(ids)))).mean(1))


class Sliding(nn.Module):
    """Convolutions along a text, the largest value of each channel, and a norm of batches."""

    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(12, 8, padding_idx=0)
        self.slide, self.norm = nn.Conv1d(8, 6, 3, padding=1), nn.BatchNorm1d(6)
        self.head = nn.Linear(6, 2)

    def forward(self, ids):
        x = self.norm(self.slide(self.table(ids).transpose(1, 2)))
        return self.head(torch.relu(x).amax(2))


class StepsFirst(nn.Module):
    """An LSTM that has steps first, of which the last state counts."""

    def __init__(self):
        super().__init__()
        self.cells, self.head = nn.LSTM(5, 7), nn.Linear(7, 2)

    def forward(self, x):
        return self.head(self.cells(x.transpose(0, 1))[0][-1])


class Tagger(nn.Module):
    """A word for each place."""

    def __init__(self):
        super().__init__()
        self.table, self.cells = nn.Embedding(12, 8), nn.GRU(8, 7, batch_first=True)
        self.head = nn.Linear(7, 12)

    def forward(self, ids):
        return self.head(self.cells(self.table(ids))[0])


class ColumnsAttend(nn.Module):
    """A vector for each column of a table, and attention between them."""

    def __init__(self):
        super().__init__()
        self.vectors = nn.Parameter(torch.randn(6, 8))
        self.attention = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        return self.head(self.attention(x[:, :, None] * self.vectors).mean(1))


class WithLengths(Bag):
    """Words beside numbers that say which of them are there."""

    def forward(self, ids, there):
        return super().forward(ids * there.long())


@pytest.mark.parametrize(
    ("build", "inputs", "name", "layout"),
    [
        (Bag, texts(), "head", None),
        (Attending, texts(), "each", (0, 1, 2)),
        (Sliding, texts(), "norm", (0, 2, 1)),
        (StepsFirst, torch.randn(60, 9, 5), "cells", (1, 0, 2)),
        (Tagger, texts(), "cells", (0, 1, 2)),
        (lambda: plain(6, 2), table(), "4", None),
        (ColumnsAttend, table(), "attention", (0, 1, 2)),
        (WithLengths, (texts(), (texts() != 0).float()), "head", None),
    ],
)
def test_the_model_is_read_where_a_place_knows_of_others_else_before_its_last_layer(
    build, inputs, name, layout
):
    run = run_of(build(), inputs)
    (signal,) = signals(MaskedInputs(), run).values()
    assert signal.module is dict(run.model.named_modules())[name]
    assert signal.layout == layout
    assert signal.reads == (layout is None)


# ---------------------------------------------------------------- what is learnt


@pytest.mark.parametrize(
    ("build", "inputs", "what"),
    [
        (lambda: plain(6, 2, nn.Tanh), table(), "columns"),
        (ColumnsAttend, table(), "columns"),
        (Attending, texts(600), "words"),
        (Sliding, texts(), "words"),
        (Bag, texts(), "words"),
        (StepsFirst, torch.randn(60, 9, 5).cumsum(1), "steps"),
    ],
)
def test_all_before_the_last_layer_learns_and_buffers_stay(host, build, inputs, what):
    torch.manual_seed(0)
    run = run_of(build(), inputs)
    before = {name: each.clone() for name, each in run.model.state_dict().items()}
    said = put(host, run, pretraining=("masked", {"epochs": 6, "lr": 3e-3}))["pretraining"]
    assert said.startswith(f"pretrained whole: the loss of hidden {what} fell from ")
    weights = {name for name, _ in run.model.named_parameters()}
    last = list(run.model.children())[-1]
    of_last = {id(each) for each in last.parameters()}
    for name, value in run.model.state_dict().items():
        moved = not torch.equal(value, before[name])
        parameter = dict(run.model.named_parameters()).get(name)
        assert moved == (name in weights and id(parameter) not in of_last), name
    if hasattr(run.model, "table") and run.model.table.padding_idx is not None:
        assert not bool(run.model.table.weight[0].any())
    assert all(each.grad is None and each.requires_grad for each in run.model.parameters())


def test_a_model_that_learns_nothing_keeps_its_start(host):
    run = run_of(plain(6, 2, nn.Tanh), table())
    before = {name: each.clone() for name, each in run.model.state_dict().items()}
    said = put(host, run, pretraining=("masked", {"epochs": 5, "lr": 1e6}))["pretraining"]
    assert said.startswith("left as it was: the loss of hidden columns did not fall from ")
    assert all(torch.equal(value, before[name]) for name, value in run.model.state_dict().items())
    assert run.no_effect == ["pretraining"]


def test_unlabeled_rows_count_targets_do_not_and_equal_inputs_share_what_was_learnt(host, tmp_path):
    def weight(flip=False, **changes):
        run = run_of(plain(6, 1), table(), **changes)
        run.cache = tmp_path
        if flip:
            run.data.train.target = 1 - run.data.train.target
        put(host, run, pretraining=("masked", {"epochs": 5}))
        return run.model[0].weight.detach().clone()

    first = weight()
    assert torch.equal(weight(flip=True), first)
    assert len(list(tmp_path.iterdir())) == 1
    assert not torch.equal(weight(unlabeled=table(80, seed=1)), first)
    assert not torch.equal(weight(seed=4), first)
    assert len(list(tmp_path.iterdir())) == 3


def test_what_a_pass_costs_grows_with_rows_and_with_words(host):
    technique = host.find("pretraining", "masked")
    few, many = (technique.pass_seconds(run_of(Bag(), texts(rows))) for rows in (100, 1000))
    assert 0 < few < many
    wide = Bag()
    wide.table = nn.Embedding(20_000, 8, padding_idx=0)
    assert technique.pass_seconds(run_of(wide, texts(1000))) > 2 * many


class Pictures(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.head = nn.Conv2d(1, 2, 3), nn.Linear(2, 2)

    def forward(self, x):
        return self.head(torch.relu(self.first(x)).mean((2, 3)))


class LastByHand(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 4), nn.Parameter(torch.randn(4, 2))

    def forward(self, x):
        return torch.relu(self.first(x)) @ self.last


@pytest.mark.parametrize(
    ("build", "inputs", "why"),
    [
        (Pictures, torch.randn(40, 1, 6, 6), "neither columns of a table nor steps or words"),
        (lambda: nn.Linear(6, 2), table(), "nothing that is trained lies before its last layer"),
        (LastByHand, table(), "no module computes its output"),
        (lambda: plain(1, 2), torch.randn(40, 1), "one column that varies"),
        (StepsFirst, torch.randn(40, 1, 5), "its sequences have one step"),
    ],
)
def test_what_cannot_be_hidden_or_read_is_said(host, build, inputs, why):
    assert why in host.find("pretraining", "masked").unfit(run_of(build(), inputs))


def test_weights_that_are_loaded_stay(host):
    run = run_of(plain(6, 2), table())
    run.loaded = lambda: frozenset({"0.weight"})
    assert "loads weights" in host.find("pretraining", "masked").unfit(run)
