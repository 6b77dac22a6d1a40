"""Word vectors for the tables of a model."""

from collections import Counter

import pytest
import torch
from models.runs import plain, put, run_of
from torch import nn
from torch.nn import functional as F

import advisor
from advisor.slots.embedding.coverage import telling_words
from advisor.slots.embedding.word_tables import word_tables
from advisor.work.prepare import prepare
from advisor.work.study_ref import StudyRef


class Reader(nn.Module):
    def __init__(self, padding_idx=0):
        super().__init__()
        self.words, self.last = nn.Embedding(30, 12, padding_idx=padding_idx), nn.Linear(12, 2)

    def forward(self, ids):
        return self.last(self.words(ids).mean(1))


def pairs(rows=400):
    """Sentences in which word 2k and 2k+1 are always together: neighbours that must be near."""
    generator = torch.Generator().manual_seed(0)
    first = torch.randint(1, 10, (rows, 3), generator=generator) * 2
    return torch.cat(
        [
            torch.stack([first, first + 1], 2).reshape(rows, 6),
            torch.zeros(rows, 2, dtype=torch.long),
        ],
        1,
    )


@pytest.mark.parametrize("name", ["skipgram", "cbow"])
def test_word_vectors_have_the_scale_of_the_table_and_a_zero_row_for_padding(host, name):
    torch.manual_seed(0)
    run = run_of(Reader(), pairs())
    scale = float(run.model.words.weight.detach()[1:].std())
    said = put(host, run, embedding=(name, {"rows": "frozen", "epochs": 5, "window": 3}))
    weight = run.model.words.weight.detach()
    assert not run.model.words.weight.requires_grad
    assert weight[0].eq(0).all()
    assert float(weight[2:20].std()) == pytest.approx(scale, rel=0.1)
    assert "18 of 30 rows from 2,400 tokens, frozen" in said["embedding"]


def test_words_that_stand_together_get_vectors_that_lie_together(host):
    torch.manual_seed(0)
    run = run_of(Reader(), pairs(3000))
    put(host, run, embedding=("skipgram", {"rows": "tuned", "epochs": 20, "window": 3}))
    weight = run.model.words.weight.detach()
    assert run.model.words.weight.requires_grad
    together = F.cosine_similarity(weight[2:20:2], weight[3:20:2]).mean()
    apart = F.cosine_similarity(weight[2:20:2], weight[3:20:2].roll(1, 0)).mean()
    assert together > apart + 0.2


def test_a_model_without_word_tables_or_with_positions_only_gets_no_vectors(host):
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.places, self.last = nn.Embedding(8, 4), nn.Linear(4, 2)

        def forward(self, x):
            return self.last((x + self.places(torch.arange(x.shape[1]))).mean(1))

    technique = host.find("embedding", "cbow")
    assert (
        technique.unfit(run_of(plain(4, 1), torch.randn(8, 4)))
        == "the model has no embedding table"
    )
    assert "no input of the model" in technique.unfit(run_of(Positions(), torch.randn(8, 5, 4)))
    assert technique.unfit(run_of(Reader(), pairs())) is None


class Fields(nn.Module):
    """One table for every reason to leave it out, and two that share a weight and are filled."""

    def __init__(self):
        super().__init__()
        self.source, self.target = nn.Embedding(30, 6, padding_idx=0), nn.Embedding(30, 6)
        self.target.weight = self.source.weight
        self.offset, self.few, self.places = (
            nn.Embedding(60, 6),
            nn.Embedding(3, 6),
            nn.Embedding(8, 6),
        )
        self.frozen, self.bag = (
            nn.Embedding(30, 6).requires_grad_(False),
            nn.EmbeddingBag(30, 6, sparse=True),
        )
        self.decoder = nn.Linear(6, 30, bias=False)
        self.decoder.weight = self.source.weight

    def forward(self, one, two):
        x = (
            self.source(one)
            + self.target(two)
            + self.offset(one + 30)
            + self.few(one % 3)
            + self.frozen(two)
        )
        x = x + self.places(torch.arange(one.shape[1], device=one.device))
        return self.decoder(x.mean(1) + self.bag(two))


def test_tables_are_matched_by_what_they_look_up_and_every_other_has_its_reason(host):
    torch.manual_seed(0)
    one, two = torch.randint(1, 15, (200, 8)), torch.randint(15, 30, (200, 8))
    run = run_of(Fields(), (one, two), targets=30)
    technique = host.find("embedding", "cbow")
    assert dict(technique.skips(run)) == {
        "offset": "its ids are computed from args[0]",
        "few": "its ids are computed from args[0]",
        "places": "its ids are positions",
        "frozen": "frozen",
    }
    before = {name: value.clone() for name, value in run.model.state_dict().items()}
    said = put(host, run, embedding=("cbow", {"rows": "tuned", "epochs": 2, "window": 3}))[
        "embedding"
    ]
    assert (
        "source: 29 of 30 rows from 3,200 tokens, tuned, tied to target.weight, decoder.weight"
        in said
    )
    assert "bag: 15 of 30 rows from 1,600 tokens" in said
    assert run.model.source.weight[0].eq(0).all()
    changed = {
        name
        for name, value in run.model.state_dict().items()
        if not torch.equal(value, before[name])
    }
    assert changed == {"source.weight", "target.weight", "decoder.weight", "bag.weight"}


def test_ids_without_neighbours_are_no_words(host):
    class Column(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.last = nn.Embedding(20, 4), nn.Linear(4, 2)

        def forward(self, ids):
            return self.last(self.table(ids))

    why = host.find("embedding", "cbow").unfit(run_of(Column(), torch.randint(0, 20, (40,))))
    assert why.endswith("table (one id in a row: words without neighbours)")


class Sparse(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.last = nn.Embedding(30, 4, sparse=True), nn.Linear(4, 2)

    def forward(self, ids):
        return self.last(self.words(ids).mean(1))


def test_sparse_tables_are_trained_dense_and_said_to_be():
    rows = torch.randint(0, 30, (60, 5))
    study = advisor.Study(
        "sparse", advisor.Task(build=Sparse, data=(rows, rows[:, 0] % 2)), trials=1
    )
    prepared = prepare(StudyRef.of(study))
    assert any("words: trained with dense gradients" in note for note in prepared.notes)
    assert not prepared.build(0).words.sparse


class Columns(nn.Module):
    """A table for each column, as tabular models have them; `texts` columns more are a text."""

    def __init__(self, sizes=(12, 40), texts=0):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, 4) for size in sizes)
        self.words = nn.Embedding(30, 4) if texts else None
        self.last = nn.Linear(4 * (len(sizes) + bool(texts)), 2)

    def forward(self, ids):
        parts = [table(ids[:, i]) for i, table in enumerate(self.tables)]
        if self.words is not None:
            parts.append(self.words(ids[:, len(parts) :]).mean(1))
        return self.last(torch.cat(parts, 1))


class Stepwise(nn.Module):
    """Reads a text step by step, and the rows of its batches in the second dimension."""

    def __init__(self, stepwise=True):
        super().__init__()
        self.words, self.last, self.stepwise = nn.Embedding(30, 12), nn.Linear(12, 2), stepwise

    def forward(self, ids):
        if not self.stepwise:
            return self.last(self.words(ids.T).mean(0))
        return self.last(sum(self.words(ids[:, step]) for step in range(ids.shape[1])))


def test_the_columns_of_a_table_are_no_sentences_of_the_tables_of_single_columns(host):
    columns = torch.stack([torch.arange(400) % 12, torch.arange(400) % 40], 1)
    run = run_of(Columns(), columns)
    cbow = host.find("embedding", "cbow")
    assert "one id in a row: words without neighbours" in cbow.unfit(run)
    assert len(cbow.skips(run)) == 2


def test_the_tokens_of_a_table_are_those_that_reach_it(host):
    torch.manual_seed(0)
    columns = torch.stack([torch.arange(400) % 12, torch.arange(400) % 40], 1)
    run = run_of(Columns(texts=8), torch.cat([columns, pairs()], 1))
    found, skipped = word_tables(run)
    assert [words.table.name for words in found] == ["words"]
    assert [name for name, _ in skipped] == ["tables.0", "tables.1"]
    assert found[0].sentences(run) == pairs()[: len(run.data.train)].tolist()


@pytest.mark.parametrize("stepwise", [True, False])
def test_a_text_is_one_sentence_however_the_model_reads_it(stepwise):
    run = run_of(Stepwise(stepwise), pairs())
    (words,), _ = word_tables(run)
    assert words.sentences(run) == pairs()[: len(run.data.train)].tolist()


def test_nothing_is_computed_behind_the_last_look_up_of_a_text():
    run = run_of(Reader(), pairs())
    (words,), _ = word_tables(run)
    rows_read = []
    run.model.last.register_forward_pre_hook(lambda _, args: rows_read.append(len(args[0])))
    words.sentences(run)
    assert sum(rows_read) < len(run.data.train) / 4


def test_the_words_that_say_something_are_found_in_one_pass_over_the_counts(monkeypatch):
    totals = []
    monkeypatch.setattr(Counter, "total", lambda self: totals.append(1) or sum(self.values()))
    assert telling_words(Counter(dict.fromkeys(range(2000), 1)), range(2000)) == [
        1000,
        1001,
        1002,
    ]
    assert len(totals) == 1
