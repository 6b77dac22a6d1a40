"""Layers written as products with parameters: which they are, and how their weights lie."""

import pytest
import torch
from models.handwritten import LAYERS, NO_LAYERS

from advisor.model import trace
from advisor.slots.initializer.blocks import blocks


def own(anatomy):
    return [layer for layer in anatomy.layers if layer.name not in ("head", "first")]


@pytest.mark.parametrize("name", LAYERS)
def test_a_product_with_a_parameter_is_a_layer_with_its_true_axes(name):
    make, batch, truth = LAYERS[name]
    model = make()
    anatomy = trace(model, batch())
    found = {layer.name: layer for layer in own(anatomy)}
    assert set(found) == set(truth)
    assert not anatomy.raw
    for key, shapes in truth.items():
        made = list(blocks(found[key], 1.0))
        assert [tuple(block.weight.shape) for block in made] == shapes
        for block, shape in zip(made, shapes, strict=True):
            assert block.fans.fan_in == torch.Size(shape[1:]).numel()
            assert block.fans.fan_out == shape[0] * torch.Size(shape[2:]).numel()
        # The blocks are all of the parameter, and each number once.
        for number, block in enumerate(made):
            block.weight.fill_(number + 1)
        counts = torch.bincount(model.get_parameter(key).detach().flatten().long())[1:]
        assert counts.tolist() == [torch.Size(shape).numel() for shape in shapes]


@pytest.mark.parametrize(
    "name",
    [
        "at",
        "mm of a transposed weight",
        "matmul from the left",
        "addmm",
        "linear",
        "einsum of a square weight",
        "tensordot",
        "convolution",
        "dictionary of parameters, cast and reshaped",
        "heads of one product",
    ],
)
def test_the_rows_of_a_block_are_the_weights_of_its_units(name):
    make, batch, _ = LAYERS[name]
    model, inputs = make(), batch()
    (layer,) = own(trace(model, inputs))
    (block,) = blocks(layer, 1.0)
    with torch.no_grad():
        before = model.compute(model, inputs)
        block.weight[2] += 1
        changed = (model.compute(model, inputs) != before).any(0)
    assert changed.nonzero().flatten().tolist() == [2]


@pytest.mark.parametrize("name", NO_LAYERS)
def test_other_parameters_are_no_layers(name):
    make, batch = NO_LAYERS[name]
    assert not own(trace(make(), batch()))
