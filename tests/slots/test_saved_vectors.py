"""gensim's saved vectors are read by records of our own, and what lies in them never runs."""

from __future__ import annotations

import os
import pickle

import numpy as np
import pytest
from advisor_plugins.embedding.reading import read
from gensim.models import FastText, KeyedVectors

from advisor import InputError

WORDS = ("<pad>", "<unk>", "walk", "talk", "never seen")


class Shell:
    """An object whose unpickling makes a file in the current folder."""

    def __reduce__(self):
        return os.system, ("touch ran",)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The test's own folder, as the current one, in which nothing has run."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def vectors():
    found = KeyedVectors(4)
    found.add_vectors(["walk", "talk"], np.arange(8, dtype=np.float32).reshape(2, 4))
    return found


@pytest.mark.parametrize("protocol", [0, 2, 4, 5])
@pytest.mark.parametrize("separately", [[], ["vectors"]])
@pytest.mark.parametrize("name", ["v.kv", "v.kv.gz"])
def test_saved_vectors_are_read_whole_and_with_their_array_beside_them(
    folder, vectors, protocol, separately, name
):
    vectors.save(str(folder / name), separately=separately, pickle_protocol=protocol)
    whole, parts = read(folder / name, WORDS)
    assert {number: vector.tolist() for number, vector in whole.items()} == {
        2: [0, 1, 2, 3],
        3: [4, 5, 6, 7],
    }
    assert not parts


@pytest.mark.parametrize("separately", [[], ["vectors_vocab", "vectors_ngrams"]])
def test_saved_fasttext_gives_what_gensim_gives(folder, separately):
    sizes = {"vector_size": 6, "min_count": 1, "bucket": 50, "epochs": 1, "workers": 1}
    model = FastText([["walk", "talk"] * 3] * 4, **sizes).wv
    model.save(str(folder / "f.kv"), separately=separately)
    whole, parts = read(folder / "f.kv", (*WORDS[:4], "walker"))
    np.testing.assert_allclose(whole[2], model["walk"], rtol=1e-5)
    np.testing.assert_allclose(parts[4], model["walker"], rtol=1e-5)


def beside(kind):
    """What a hostile pickle says of an array that lies in a second file."""
    return {f"__{kind}": ["vectors"], "__recursive_saveloads": []}


@pytest.mark.parametrize("kind", ["numpys", "scipys"])
@pytest.mark.parametrize("second", ["vectors.npy", "vectors.npz", "vectors"])
def test_a_second_file_that_is_a_pickle_is_not_run(folder, vectors, kind, second):
    vectors.save(str(folder / "v.kv"), separately=["vectors"])
    (folder / "v.kv.vectors.npy").unlink()
    record = pickle.loads((folder / "v.kv").read_bytes())
    vars(record).update(beside(kind))
    (folder / "v.kv").write_bytes(pickle.dumps(record))
    (folder / f"v.kv.{second}").write_bytes(pickle.dumps(Shell()))
    with pytest.raises(InputError, match=r"v\.kv"):
        read(folder / "v.kv", WORDS)
    assert not (folder / "ran").exists()


def test_an_array_of_objects_is_refused_and_not_run(folder, vectors):
    vectors.save(str(folder / "v.kv"), separately=["vectors"])
    evil = np.array([Shell()], dtype=object)
    np.save(folder / "v.kv.vectors.npy", evil, allow_pickle=True)
    with pytest.raises(InputError, match="cannot be read"):
        read(folder / "v.kv", WORDS)
    vectors.vectors = evil
    vectors.save(str(folder / "w.kv"))
    with pytest.raises(InputError, match="posix.system"):
        read(folder / "w.kv", WORDS)
    assert not (folder / "ran").exists()


def test_a_pickle_that_names_a_method_of_gensim_or_numpy_is_refused(folder):
    for module, name in (
        ("gensim.models.keyedvectors", "KeyedVectors.load"),
        ("gensim.utils", "unpickle"),
        ("numpy", "load"),
        ("numpy.core.multiarray", "fromfile"),
    ):
        code = b"\x80\x04" + b"".join(
            b"\x8c" + bytes([len(word)]) + word.encode() for word in (module, name)
        )
        (folder / "v.kv").write_bytes(code + b"\x93\x8c\x01x\x85R.")
        with pytest.raises(InputError, match="a pickle can run any code"):
            read(folder / "v.kv", (*WORDS, name))


def test_arrays_that_are_missing_are_named(folder, vectors):
    vectors.save(str(folder / "v.kv"), separately=["vectors"])
    (folder / "v.kv.vectors.npy").unlink()
    with pytest.raises(InputError, match=r"v\.kv\.vectors\.npy"):
        read(folder / "v.kv", WORDS)
