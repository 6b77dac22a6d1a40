"""Where tensors are found in what a model takes and returns, and what they are called."""

import collections
from types import SimpleNamespace
from typing import NamedTuple

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from advisor.model.call import rows_of
from advisor.model.nested_values import named_tensors, tensors
from advisor.model.tracing.output import predictions

A, B = torch.zeros(2), torch.ones(3)


class Pair(NamedTuple):
    first: torch.Tensor
    second: torch.Tensor


VALUES = {
    "a tensor": (A, [""]),
    "a tuple": ((A, [B, "word"]), ["[0]", "[1][0]"]),
    "a dictionary": ({"y": A, 3: B, "n": None}, ["['y']", "[3]"]),
    "another mapping": (collections.UserDict(x=A), ["['x']"]),
    "a named tuple": ([Pair(A, B)], ["[0].first", "[0].second"]),
    "torch's own tuple": (torch.ones(2, 3).max(0), ["[0]", "[1]"]),
}
OBJECTS = {
    "an object": (SimpleNamespace(x=A, more={"y": B}), [".x", ".more['y']"]),
    "a module": ([nn.Linear(2, 2), A], ["[1]"]),
    "a class": ([Pair, A], ["[1]"]),
    "too deep": ([[[[A, [B]]]]], ["[0][0][0][0]"]),
}


@pytest.mark.parametrize("kind", VALUES | OBJECTS)
def test_tensors_are_named_by_the_way_to_them(kind):
    value, names = (VALUES | OBJECTS)[kind]
    assert [name for name, _ in named_tensors(value, "args")] == [f"args{name}" for name in names]


@pytest.mark.parametrize("kind", VALUES)
def test_the_operands_of_an_operation_are_the_same_tensors_in_the_same_order(kind):
    value, _ = VALUES[kind]
    named = [tensor for _, tensor in named_tensors(value, "")]
    assert [id(tensor) for tensor in tensors(value)] == [id(tensor) for tensor in named]


def test_operands_are_found_however_deep_and_never_inside_objects():
    assert len(list(tensors([[[[[[A]]]]]]))) == 1
    assert list(tensors(SimpleNamespace(x=A))) == []


def test_outputs_have_dotted_names():
    outputs = predictions({"hidden": [A, SimpleNamespace(x=B)], "count": torch.arange(2)})
    assert list(outputs) == ["hidden.0", "hidden.1.x"]


def test_rows_are_those_of_the_first_tensor_that_has_any():
    assert rows_of([torch.tensor(1.0), {"x": B}]) == 3
    assert rows_of((pack_sequence([B, A]), A)) == 2
    assert rows_of([torch.tensor(1.0), "word"]) is None
