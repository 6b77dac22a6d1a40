"""One walk through batches of tensors in tuples, lists, mappings and objects."""

from __future__ import annotations

import collections
from dataclasses import dataclass

import pytest
import torch
from torch.nn.utils.rnn import PackedSequence, pack_sequence

from advisor.nested import elements, gathered, ids_in, mapped, tensors_in

X = torch.arange(6.0).reshape(3, 2)
Pair = collections.namedtuple("Pair", "x word")


@dataclass
class Graph:
    x: torch.Tensor
    inside: object


def test_a_structure_keeps_its_form_and_a_list_of_numbers_is_one_element():
    value = (X, {"a": [X, [1, 2]], "pair": Pair(X, "word")})
    assert mapped(lambda element: type(element).__name__, value) == (
        "Tensor",
        {"a": ["Tensor", "list"], "pair": Pair("Tensor", "str")},
    )
    assert len(elements(value)) == 5
    assert gathered(len, [value, value])[1]["a"] == [2, 2]


def test_what_is_whole_is_not_walked_through():
    class Batch(collections.UserDict):
        def to(self, device):
            return "moved whole"

    def moves(value):
        return callable(getattr(value, "to", None))

    batch = [Batch(x=X), pack_sequence([X]), "word", None]
    moved = mapped(lambda e: e.to("meta") if moves(e) else e, batch, whole=moves)
    assert (moved[0], moved[2:]) == ("moved whole", ["word", None])
    assert isinstance(moved[1], PackedSequence)
    assert moved[1].data.device.type == "meta"


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([{"a": 1}, {"b": 1}], "keys differ"),
        ([{"a": 1}, (X,)], "keys differ"),
        ([(X,), (X, X)], "1 elements"),
        ([(X,), X], "1 elements"),
    ],
)
def test_structures_that_differ_are_refused(values, words):
    with pytest.raises(ValueError, match=words):
        gathered(len, values)


def test_tensors_are_found_inside_objects_but_not_without_end():
    graph = Graph(X, {"deep": (X,)})
    assert len(list(tensors_in([graph, "word", pack_sequence([X])]))) == 3
    graph.inside = graph
    assert len(list(tensors_in(graph))) == 4


def test_ids_are_counted_by_rows_of_them_where_there_are_any():
    lengths, ids = torch.tensor([90, 3]), torch.tensor([[1, 4], [0, 2]])
    assert ids_in((lengths, ids)) == 5
    assert ids_in(lengths) == 91
    assert ids_in((X, X > 0, torch.zeros(0, dtype=torch.long))) is None
