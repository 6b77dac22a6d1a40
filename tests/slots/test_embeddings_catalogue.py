"""The catalogue of word embeddings: what they learn or read, how it is put into a table, trained
and told.
"""

import gzip
import os
import pickle
import struct
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from models.runs import put, run_of
from torch import nn

import advisor
from advisor.slots.embedding.coverage import coverage, telling_words
from advisor.slots.embedding.projection import Projected, basis_of
from advisor.slots.embedding.word_tables import filled
from advisor.training.kept_file import KeptFile
from advisor.training.loop import TrainingSettings, train
from advisor.work.study_ref import StudyRef

WORDS = (
    "<pad>",
    "<unk>",
    *(
        f"{stem}{ending}"
        for stem in ("walk", "talk", "play", "call")
        for ending in ("", "s", "ed", "ing")
    ),
)
WIDTH = 12


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.last = (
            nn.Embedding(len(WORDS) + 2, WIDTH, padding_idx=0),
            nn.Linear(WIDTH, 2),
        )

    def forward(self, ids):
        return self.last(self.words(ids).mean(1))


class Tied(Reader):
    """Its table is also the matrix of its decoder, so neither can get another width."""

    def __init__(self):
        super().__init__()
        self.decoder = nn.Linear(WIDTH, len(WORDS) + 2, bias=False)
        self.decoder.weight = self.words.weight

    def forward(self, ids):
        return self.decoder(self.words(ids).mean(1))


def texts(rows=200):
    """Rows of six ids that begin with two of padding; the last word of the vocabulary is not among
    them.
    """
    ids = torch.randint(1, len(WORDS) - 1, (rows, 6), generator=torch.Generator().manual_seed(0))
    ids[:, :2] = 0
    return ids


def reading(model=None, cache=None, seed=3, vectors=None):
    torch.manual_seed(0)
    run = run_of(model or Reader(), texts(), vocabulary=WORDS, seed=seed)
    run.cache, run.task = cache, replace(run.task, vectors=vectors)
    return run


def numbers(words=WORDS[2:], width=WIDTH, seed=0):
    generator = np.random.default_rng(seed)
    return {word: generator.normal(0.3, 2.0, width).astype(np.float32) for word in words}


def keyed(vectors):
    from gensim.models import KeyedVectors

    found = KeyedVectors(len(next(iter(vectors.values()))))
    found.add_vectors(list(vectors), list(vectors.values()))
    return found


def lines(vectors):
    return "".join(
        f"{word} {' '.join(repr(float(x)) for x in vector)}\n" for word, vector in vectors.items()
    )


def write_header(path, vectors):
    keyed(vectors).save_word2vec_format(str(path))


def write_glove(path, vectors):
    path.write_text(lines(vectors))


def write_zipped(path, vectors):
    path.write_bytes(gzip.compress(lines(vectors).encode()))


def write_binary(path, vectors):
    keyed(vectors).save_word2vec_format(str(path), binary=True)


def write_saved(path, vectors):
    keyed(vectors).save(str(path))


FORMATS = [
    ("vectors.vec", write_header),
    ("vectors.txt", write_glove),
    ("vectors.txt.gz", write_zipped),
    ("vectors.bin", write_binary),
    ("vectors.kv", write_saved),
]


def centred(vectors, words=WORDS):
    """The vectors as rows, each number's mean over the words taken away."""
    rows = torch.tensor(np.array([vectors[word] for word in words if word in vectors]))
    return rows - rows.mean(0)


@pytest.mark.parametrize(("name", "write"), FORMATS)
def test_vectors_of_every_format_become_the_rows_of_their_words_at_the_scale_of_the_table(
    host, tmp_path, name, write
):
    vectors = numbers([*WORDS[2:10], "unheard"])
    write(tmp_path / name, vectors)
    run = reading(vectors=str(tmp_path / name))
    scale = float(run.model.words.weight.detach()[1:].std())
    assert host.find("embedding", "from_file").unfit(run) is None
    said = put(host, run, embedding=("from_file", {"rows": "tuned"}))["embedding"]
    weight = run.model.words.weight.detach()
    expected = centred(vectors, WORDS[:10])
    torch.testing.assert_close(
        weight[2:10], expected * scale / expected.std(), rtol=1e-4, atol=1e-5
    )
    assert weight[0].eq(0).all()
    assert said.startswith(f"words: 8 of {len(WORDS) + 2} rows from")


def test_a_model_of_facebook_gives_other_words_vectors_from_their_parts_and_does_not_count_them(
    host,
):
    import gensim

    path = Path(gensim.__file__).parent / "test" / "test_data" / "crime-and-punishment.bin"
    run = reading(vectors=str(path))
    run.data = replace(
        run.data,
        facts=replace(
            run.data.facts, vocabulary=("<pad>", "<unk>", "и", "landlady", "landladies", "xyzzy")
        ),
    )
    said = put(host, run, embedding=("from_file", {}))["embedding"]
    assert said.startswith("words: 2 of 20 rows")
    assert "and 2 put together from parts of words" in said


def test_a_word_in_capitals_only_takes_the_first_of_them_and_rows_of_blanks_are_words(
    host, tmp_path
):
    path = tmp_path / "glove.txt"
    path.write_text(
        "Walk 1 0\nWALK 5 5\nwalks 0 1\nWalks 7 7\n. . . 3 3\nwalks 8 8\n\ntalk -1 -1\n"
    )
    found, _ = host.find("embedding", "from_file").learn(reading(vectors=str(path)), [], WIDTH)
    assert {WORDS[word]: vector.tolist() for word, vector in found.items()} == {
        "walk": [1, 0],
        "walks": [0, 1],
        "talk": [-1, -1],
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("vectors.csv", b"", "ends in .txt, .vec, .bin, .kv"),
        ("short.txt", b"walk 1 2 3\ntalk 1 2\n", "line 2 should hold a word and 3 numbers"),
        ("infinite.txt", b"walk 1 2 3\ntalk 1 2 inf\n", "line 2 should hold a word and 3 numbers"),
        ("empty.vec", b"", "line 1 holds no vector"),
        ("broken.bin", b"no vectors", "cannot be read as .bin"),
        ("broken.kv", b"no pickle", "cannot be read as .kv"),
        ("evil.kv", pickle.dumps(os.getcwd), "a pickle can run any code"),
        ("facebook.bin", struct.pack("<ii", 793712314, 12), "cannot be read as .bin"),
    ],
)
def test_a_file_that_holds_no_vectors_is_refused_with_its_name_and_fault(
    host, tmp_path, name, content, said
):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(advisor.InputError, match=f"{name}.*{said}"):
        host.find("embedding", "from_file").unfit(reading(vectors=str(tmp_path / name)))


def test_vectors_without_a_file_or_without_known_words_do_not_fit(host, tmp_path):
    technique, path = host.find("embedding", "from_file"), tmp_path / "other.txt"
    write_glove(path, numbers(["eins", "zwei"]))
    nameless = run_of(Reader(), texts())
    nameless.task = replace(nameless.task, vectors=str(path))
    assert (
        technique.unfit(reading())
        == "no file of word vectors was given: --vectors PATH or Task(vectors=…)"
    )
    assert (
        technique.unfit(reading(vectors=str(path)))
        == f"other.txt has none of the {len(WORDS)} words of the data"
    )
    assert "ids without their words" in technique.unfit(nameless)
    assert "ids without their words" in host.find("embedding", "fasttext").unfit(nameless)


def test_coverage_counts_words_and_tokens_and_names_the_most_frequent_missing_ones():
    found = coverage(Counter({2: 50, 3: 30, 4: 15, 5: 5}), [2, 4])
    assert (found.types, found.tokens) == (0.5, 0.65)
    assert found.missing == ((3, 30), (5, 5))
    assert str(found) == "vectors for 50.0% of the different words and 65.0% of the tokens"
    assert coverage(Counter(), []).tokens == 1.0
    assert telling_words(Counter({2: 50, 3: 30, 4: 15, 5: 5}), [2, 4, 5]) == [4, 5]


def test_what_a_file_covers_is_told_exactly(host, tmp_path):
    run = reading(vectors=str(tmp_path / "vectors.txt"))
    counts = Counter(texts().flatten().tolist())
    missing = max((2, 3, 4, 5), key=lambda word: (counts[word], -word))
    write_glove(tmp_path / "vectors.txt", numbers(WORDS[6:]))
    said = put(host, run, embedding=("from_file", {}))["embedding"]
    spoken = {word: times for word, times in counts.items() if word > 1}
    share = sum(times for word, times in spoken.items() if word > 5) / sum(spoken.values())
    assert (
        f"vectors for {(len(spoken) - 4) / len(spoken):.1%} of the different words "
        f"and {share:.1%} of the tokens" in said
    )
    assert f"most frequent missing words {WORDS[missing]} ({counts[missing]})" in said
    assert said.count("→") == 3


def test_random_rows_have_the_mean_and_deviation_of_the_known_ones_and_padding_is_zero():
    known = (
        torch.randn(50, 4, generator=torch.Generator().manual_seed(1))
        * torch.tensor([0.1, 1.0, 2.0, 5.0])
        + 3.0
    )
    weight = filled(20_000, torch.arange(50), known, 7, torch.Generator().manual_seed(0))
    assert weight[7].eq(0).all()
    assert torch.equal(weight[:7], known[:7])
    torch.testing.assert_close(weight[50:].mean(0), known.mean(0), rtol=0.0, atol=0.15)
    torch.testing.assert_close(weight[50:].std(0), known.std(0, correction=0), rtol=0.03, atol=0.0)


@pytest.mark.parametrize("params", [{}, {"loss": "hierarchical"}, {"sample": 1e-5}], ids=str)
@pytest.mark.parametrize("name", ["skipgram", "cbow", "fasttext"])
def test_a_seed_gives_the_same_vectors_and_another_seed_others(host, name, params):
    weights = []
    for seed in (3, 3, 4):
        run = reading(seed=seed)
        put(host, run, embedding=(name, {"epochs": 2, **params}))
        weights.append(run.model.words.weight.detach())
    assert torch.equal(weights[0], weights[1])
    assert not torch.equal(weights[0][2:], weights[2][2:])


def test_every_choice_reaches_gensim(host):
    rows = {}
    sentences = [[word for word in row if word > 1] for row in texts().tolist()]
    technique = host.find("embedding", "skipgram")
    for params in ({}, {"loss": "hierarchical"}, {"sample": 1e-5}, {"window": 3}, {"epochs": 5}):
        rows[str(params)] = technique.vectors(sentences, WIDTH, 0, **params)[2]
    rows["cbow"] = host.find("embedding", "cbow").vectors(sentences, WIDTH, 0)[2]
    assert len({row.tobytes() for row in rows.values()}) == len(rows)


def test_sentences_longer_than_gensim_reads_are_cut_and_not_lost(host):
    sentence = [2, 3] * 6_000 + [4, 5]
    assert set(host.find("embedding", "cbow").vectors([sentence], 4, 0, epochs=5)) == {2, 3, 4, 5}


def test_parts_of_words_give_vectors_to_words_that_the_training_text_lacks(host):
    run = reading()
    said = put(host, run, embedding=("fasttext", {"epochs": 5}))["embedding"]
    assert said.startswith(f"words: {len(WORDS) - 3} of {len(WORDS) + 2} rows")
    assert "and 1 put together from parts of words" in said


def test_vectors_are_learnt_once_for_the_same_text_seed_and_parameters(host, tmp_path, monkeypatch):
    technique, asked = host.find("embedding", "cbow"), []
    learn = type(technique).vectors
    monkeypatch.setattr(
        type(technique),
        "vectors",
        lambda self, *given, **params: asked.append(1) or learn(self, *given, **params),
    )
    weights = []
    for rows, seed in (("tuned", 3), ("frozen", 3), ("tuned", 4)):
        run = reading(cache=tmp_path, seed=seed)
        put(host, run, embedding=("cbow", {"rows": rows, "epochs": 2}))
        weights.append(run.model.words.weight.detach())
    assert len(asked) == 2
    assert torch.equal(weights[0], weights[1])


def test_a_file_that_was_written_anew_is_read_anew(host, tmp_path):
    path, weights = tmp_path / "vectors.txt", []
    for seed in (0, 1):
        write_glove(path, numbers(seed=seed))
        os.utime(path, ns=(seed, seed))
        run = reading(cache=tmp_path, vectors=str(path))
        put(host, run, embedding=("from_file", {}))
        weights.append(run.model.words.weight.detach())
    assert not torch.equal(*weights)


def moved(run, **fit):
    """After which epochs, by their number, the table was not as it was before."""
    found, before = [], run.model.words.weight.detach().clone()
    for epoch in train(
        run,
        TrainingSettings(
            **{"lr": 0.01, "weight_decay": 0.1, "batch": 32, "from_epoch": 0, "to_epoch": 5, **fit}
        ),
        run.data.train,
    ):
        if not torch.equal(before, run.model.words.weight):
            found.append(epoch.epoch)
        before = run.model.words.weight.detach().clone()
    return found


@pytest.mark.parametrize(
    ("rows", "epochs"), [("tuned", [1, 2, 3, 4, 5]), ("frozen", []), ("frozen-then-tuned", [4, 5])]
)
def test_rows_move_in_the_epochs_that_are_asked_for(host, rows, epochs):
    run = reading()
    put(host, run, embedding=("cbow", {"rows": rows, "epochs": 2}))
    assert run.model.words.weight.requires_grad == (rows == "tuned")
    assert moved(run) == epochs
    assert run.model.words.weight[0].eq(0).all()


def test_rows_that_are_tuned_later_are_the_same_after_a_training_in_parts(host, tmp_path):
    def trained(*parts):
        run = reading()
        put(host, run, embedding=("cbow", {"rows": "frozen-then-tuned", "epochs": 2}))
        epochs = []
        for start, end in parts:
            if start:  # another process builds the run anew
                run = reading()
                put(host, run, embedding=("cbow", {"rows": "frozen-then-tuned", "epochs": 2}))
            file = KeptFile(tmp_path / f"{parts}-{start}.pt")
            epochs += moved(
                run,
                from_epoch=start,
                to_epoch=end,
                epochs=6,
                state=file.read() if start else None,
                save=KeptFile(tmp_path / f"{parts}-{end}.pt"),
            )
        return epochs, run.model.state_dict()

    whole, weights = trained((0, 6))
    assert whole == [4, 5, 6]
    for parts in (((0, 1), (1, 4), (4, 6)), ((0, 3), (3, 6))):
        again, others = trained(*parts)
        assert set(again) >= {4, 5, 6}  # a state that is loaded is a change of its own
        assert all(torch.equal(weights[name], others[name]) for name in weights)


@pytest.mark.parametrize("rows", ["tuned", "frozen", "frozen-then-tuned"])
@pytest.mark.parametrize("width", [5, 40])
def test_a_width_that_does_not_fit_gets_a_learned_projection(host, tmp_path, width, rows):
    vectors = numbers(width=width)
    write_glove(tmp_path / "vectors.txt", vectors)
    run = reading(vectors=str(tmp_path / "vectors.txt"))
    before = {name: value.shape for name, value in run.model.state_dict().items()}
    scale = float(run.model.words.weight.detach()[1:].std())
    said = put(host, run, embedding=("from_file", {"rows": rows}))["embedding"]
    assert f"{width} numbers wide and projected to {WIDTH} (learned)" in said
    table = run.model.words
    assert isinstance(table, Projected)
    after = {name: value.shape for name, value in run.model.state_dict().items()}
    assert after == before | {
        "words.weight": (len(WORDS) + 2, width),
        "words.project.weight": (WIDTH, width),
    }
    given = table(torch.arange(2, len(WORDS))).detach()
    assert float(given.std()) == pytest.approx(scale, rel=1e-4)
    assert table(torch.tensor([0])).eq(0).all()
    projected = table.project.weight.detach().clone()
    assert moved(run) == {"tuned": [1, 2, 3, 4, 5], "frozen": [], "frozen-then-tuned": [4, 5]}[rows]
    assert not torch.equal(projected, table.project.weight)
    ids = texts(3)
    torch.testing.assert_close(table.folded()(ids), table(ids))
    assert table.folded().weight.shape == before["words.weight"]


def test_a_table_that_shares_its_weight_keeps_its_shape_and_gets_a_fixed_projection(host, tmp_path):
    write_glove(tmp_path / "vectors.txt", numbers(width=40))
    run = reading(Tied(), vectors=str(tmp_path / "vectors.txt"))
    said = put(host, run, embedding=("from_file", {}))["embedding"]
    assert f"40 numbers wide and projected to {WIDTH} (fixed), tied to decoder.weight" in said
    assert type(run.model.words) is nn.Embedding
    assert run.model.decoder.weight is run.model.words.weight


def test_a_projection_keeps_what_it_can(host):
    generator = torch.Generator().manual_seed(0)
    few = torch.randn(30, 3, generator=generator)
    wider = basis_of(few, 8, generator)
    torch.testing.assert_close((few @ wider) @ (few @ wider).T, few @ few.T)
    flat = torch.randn(30, 3, generator=generator) @ torch.randn(3, 9, generator=generator)
    narrower = basis_of(flat, 3, generator)
    torch.testing.assert_close(
        (flat @ narrower) @ (flat @ narrower).T, flat @ flat.T, rtol=1e-3, atol=1e-3
    )


def test_similarity_and_analogies_say_something_only_where_half_of_their_pairs_are_covered(host):
    import gensim

    technique = host.find("embedding", "skipgram")
    text = (
        (Path(gensim.__file__).parent / "test" / "test_data" / "wordsim353.tsv").read_text().lower()
    )
    pairs = [
        line.split("\t")[:2] for line in text.splitlines() if line and not line.startswith("#")
    ]
    all_words = sorted({word for pair in pairs for word in pair})
    rho, share = technique.scores(numbers(all_words))["WordSim-353 rho"]
    assert share == 1.0
    assert abs(rho) < 0.2
    few = set(all_words[:100])
    rho, share = technique.scores(numbers(sorted(few)))["WordSim-353 rho"]
    assert share == sum(set(pair) <= few for pair in pairs) / len(pairs) < 0.5
    assert np.isnan(rho)
    assert technique.scores(numbers(["xyzzy"])) == {}


def test_what_is_not_meaningful_is_said_to_be(host, monkeypatch):
    scores = {"pairs": (0.31, 0.5), "questions": (float("nan"), 0.49)}
    monkeypatch.setattr(
        type(host.find("embedding", "cbow")), "scores", lambda self, vectors: scores
    )
    said = put(host, reading(), embedding=("cbow", {"epochs": 2}))["embedding"]
    assert "pairs 0.31 (50% covered), questions not meaningful (49% covered)" in said


def test_the_best_answer_to_an_analogy_is_not_one_of_its_own_words():
    from advisor_plugins.embedding.quality import analogies

    vectors = {
        "king": [1, 1, 0],
        "man": [1, 0, 0],
        "woman": [0, 0, 1],
        "queen": [0, 1, 1],
        "child": [0.5, 0, 0.5],
    }
    found = {word: np.array(vector, dtype=np.float32) for word, vector in vectors.items()}
    text = ": family\nman king woman queen\nking man queen woman\n: other\nman king child queen\n"
    assert analogies(found, text) == (pytest.approx(1.0), 1.0)
    assert analogies(found, text + "a b c d\n" * 4)[1] == pytest.approx(3 / 7)


STUDY = """\
import advisor, torch
from torch import nn
class Net(nn.Module):
    def __init__(self, vocab_size):
        super().__init__()
        self.words, self.last = nn.Embedding(vocab_size, 8, padding_idx=0), nn.Linear(8, 2)
    def forward(self, ids):
        return self.last(self.words(ids).mean(1))
"""


def test_vectors_come_by_an_option_or_a_study_and_a_missing_file_is_named(advise, write):
    rows = "".join(
        f"this is a good film of number {i},yes\nthis is a bad film of number {i},no\n"
        for i in range(20)
    )
    write("data.csv", "text,label\n" + rows)
    write("reads.py", STUDY)
    write("vec/words.txt", lines(numbers(["good", "bad", "film"], width=8)))
    task = [
        "--model",
        "reads.py:Net",
        "--data",
        "data.csv",
        "--target",
        "label",
        "--only",
        "embedding=from_file",
    ]
    missing = advise("diagnose", *task, "--vectors", "vec/word.txt")
    assert missing.code == 2
    assert "--vectors" in missing.err
    assert "words.txt" in missing.err
    given = advise("diagnose", *task, "--vectors", "vec/words.txt", "--json")
    assert (given.code, '"from_file": null' in given.out) == (0, True), given.err
    assert "no file of word vectors" in advise("diagnose", *task, "--json").out
    write(
        "vec/study.py",
        STUDY
        + "study = advisor.Study('s', advisor.Task(Net, '../data.csv', target='label', "
        + "vectors='words.txt'))",
    )
    assert StudyRef(file="vec/study.py").load().task.vectors == str(Path("vec/words.txt").resolve())
    assert (
        "leave out --vectors"
        in advise("diagnose", "vec/study.py", "--vectors", "vec/words.txt").err
    )


@pytest.mark.skipif(
    "ADVISOR_DATA" not in os.environ, reason="needs the development data: ADVISOR_DATA"
)
def test_plain_gensim_gives_the_same_vectors(host):
    from gensim.models import Word2Vec

    path = Path(os.environ["ADVISOR_DATA"]) / "word2vec-eval" / "lee_background.cor"
    words = [line.lower().split()[:200] for line in path.read_text().splitlines()[:60]]
    number = {
        word: i
        for i, word in enumerate(dict.fromkeys(word for text in words for word in text), start=2)
    }
    found = host.find("embedding", "skipgram").vectors(
        [[number[word] for word in text] for text in words], 20, 1, epochs=2
    )
    model = Word2Vec(
        words, vector_size=20, sg=1, window=5, epochs=2, min_count=1, seed=1, workers=1
    )
    assert all(np.array_equal(found[number[word]], model.wv[word]) for word in number)
