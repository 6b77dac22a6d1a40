"""The side of the padding, by what a model does with it."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

import advisor
from advisor.work.padding import sensitivity
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef

WORDS = ["good", "bad", "film", "plot", "actor", "scene", "end", "music"]


def texts():
    """Texts of 3 to 14 words."""
    generator = torch.Generator().manual_seed(0)
    rows = []
    for row in range(60):
        drawn = torch.randint(0, len(WORDS), (3 + row % 12,), generator=generator)
        rows.append(" ".join(WORDS[word] for word in drawn))
    return rows, [row % 2 for row in range(60)]


class Net(nn.Module):
    def __init__(self, vocab_size, num_classes):
        super().__init__()
        self.words = nn.Embedding(vocab_size, 8, padding_idx=0)
        self.rnn = nn.LSTM(8, 8, batch_first=True)
        self.out = nn.Linear(8, num_classes)
        self.seen = []


class Packed(Net):
    """Packs by length."""

    def forward(self, ids):
        lengths = (ids != 0).sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(
            self.words(ids), lengths, batch_first=True, enforce_sorted=False
        )
        return self.out(self.rnn(packed)[1][0][-1])


class PackedMean(Packed):
    """Packs, and takes the mean of what comes out."""

    def forward(self, ids):
        lengths = (ids != 0).sum(1).clamp(min=1).cpu()
        packed = pack_padded_sequence(
            self.words(ids), lengths, batch_first=True, enforce_sorted=False
        )
        hidden, _ = pad_packed_sequence(self.rnn(packed)[0], batch_first=True)
        return self.out(hidden.sum(1) / lengths[:, None])


class AtLength(Net):
    """Reads the position of the last word."""

    def forward(self, ids):
        hidden, _ = self.rnn(self.words(ids))
        last = (ids != 0).sum(1).clamp(min=1) - 1
        return self.out(hidden[torch.arange(len(ids)), last])


class LastPosition(Net):
    """Reads the last position, whatever stands there."""

    def forward(self, ids):
        return self.out(self.rnn(self.words(ids))[0][:, -1])


class PackedWhole(Net):
    """Packs all positions, so that it reads the last one."""

    def forward(self, ids):
        lengths = torch.full((len(ids),), ids.shape[1])
        packed = pack_padded_sequence(self.words(ids), lengths, batch_first=True)
        return self.out(self.rnn(packed)[1][0][-1])


class Bag(Net):
    def forward(self, ids):
        return self.out(self.words(ids).sum(1))


class Flat(nn.Module):
    """Takes rows of one length only, and learns which."""

    def __init__(self, vocab_size, num_classes):
        super().__init__()
        self.words, self.out = nn.Embedding(vocab_size, 4), nn.LazyLinear(num_classes)

    def forward(self, ids):
        return self.out(self.words(ids).flatten(1))


class Positions(Net):
    """Adds the embedding of each position, and looks at words only."""

    def __init__(self, vocab_size, length, num_classes):
        super().__init__(vocab_size, num_classes)
        self.places = nn.Embedding(length, 8)

    def forward(self, ids):
        is_word = (ids != 0).float()[..., None]
        values = self.words(ids) + self.places(torch.arange(ids.shape[1]))
        return self.out((values * is_word).sum(1) / is_word.sum(1).clamp(min=1))


@pytest.mark.parametrize("model", [Packed, PackedMean, AtLength, Positions])
def test_a_model_that_reads_from_the_first_word_on_gets_its_padding_on_the_right(model):
    assert pads_right(model)


@pytest.mark.parametrize("model", [LastPosition, PackedWhole, Bag, Flat])
def test_a_model_that_reads_the_last_position_or_all_of_them_gets_it_on_the_left(model):
    assert not pads_right(model)


def pads_right(model) -> bool:
    """Whether the first batch has its padding on the right, as the notes say."""
    prepared = prepare(StudyRef.of(advisor.Study("sides", advisor.Task(model, texts))))
    (ids,), _ = prepared.splits(0).train.take(torch.arange(16))
    is_right = bool((ids[:, 0] != 0).all())
    assert is_right == prepared.source.pads_right
    assert is_right or bool((ids[:, -1] != 0).all())
    side = "right" if is_right else "left"
    assert sum(f"padded on the {side}" in note for note in prepared.notes) == 1
    # The words are the same, in their order.
    assert sorted((ids != 0).sum(1).tolist())[0] >= 3
    return is_right


def test_what_a_model_keeps_and_draws_is_as_it_was_after_it_was_looked_at():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Embedding(9, 4), nn.Flatten(0, 1), nn.BatchNorm1d(4))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    state = torch.get_rng_state()
    assert sensitivity(model, torch.ones(4, 5, dtype=torch.long), 9) is None
    assert model.training
    assert torch.equal(state, torch.get_rng_state())
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_study_whose_texts_are_padded_on_the_other_side_is_another_one():
    digests = []
    for model in (Packed, Bag):
        study = advisor.Study("sides", advisor.Task(model, texts))
        digests.append(prepare(StudyRef.of(study)).content.rows)
    assert set(digests[0]) - set(digests[1]) == {"texts padded on the right"}
