"""Small tensors packed into few, and taken out again."""

from collections import OrderedDict

import torch
from torch import nn

from advisor.training.kept_file import KeptFile
from advisor.training.packed import SMALL, packed, unpacked


def same(one, other):
    if isinstance(one, torch.Tensor):
        assert type(one) is type(other)
        assert (one.dtype, one.stride()) == (other.dtype, other.stride())
        return torch.equal(one, other)
    if isinstance(one, (list, tuple)):
        return type(one) is type(other) and all(map(same, one, other))
    if isinstance(one, dict):
        pairs = zip(one.items(), other.items(), strict=True)
        return type(one) is type(other) and all(
            key == name and same(value, its) for (key, value), (name, its) in pairs
        )
    return one == other and type(one) is type(other)


def state_of_a_training():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4), nn.Linear(4, 2))
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    model(torch.randn(5, 3)).sum().backward()
    optimizer.step()
    return {"model": model.state_dict(), "optimizer": optimizer.state_dict(), "steps": 1}


def test_a_state_is_what_it_was_with_the_order_and_the_versions_of_its_modules(tmp_path):
    state, file = state_of_a_training(), KeptFile(tmp_path / "state.pt", "this")
    file.write(state)
    kept = file.read()
    assert same(kept, state)
    assert kept["model"]._metadata == state["model"]._metadata
    # What was written is as it was.
    assert same(state, state_of_a_training())


def test_values_of_every_kind_come_back():
    large, turned = torch.zeros(SMALL + 1), torch.arange(6.0).view(2, 3).T
    values = {
        "large": large,
        "turned": turned,
        "empty": torch.zeros(0, 3),
        "scalar": torch.tensor(3),
        "kinds": [torch.ones(2, dtype=kind) for kind in (torch.half, torch.bool, torch.long)],
        "tuple": (torch.ones(2), [torch.ones(1)]),
        "learnt": nn.Parameter(torch.ones(2)),
        "by": {1: torch.ones(1), (2, 3): torch.ones(2), None: {"a": torch.ones(3)}, False: 5},
        "text": OrderedDict(a="b", c=[None, 2.5]),
    }
    once = packed(values)
    assert len(once["packed"]["flat"]) == 4
    assert once["tensors"]["large"] is large
    assert once["tensors"]["scalar"] is None
    assert values["scalar"] is not None
    assert same(unpacked(once), values)


def test_what_is_one_stays_one_and_a_view_takes_no_more_than_its_own_numbers(tmp_path):
    whole, shared = torch.arange(40_000.0), [torch.ones(3)]
    view = whole[10:13]
    file = KeptFile(tmp_path / "state.pt")
    file.write({"a": view, "b": {"c": whole[10:13], "d": whole[10:12]}, "e": shared, "f": shared})
    kept = file.read()
    assert kept["a"] is kept["b"]["c"]
    assert kept["b"]["d"].tolist() == [10, 11]
    assert kept["e"] is kept["f"]
    assert kept["a"].untyped_storage().nbytes() == 12
    assert file.path.stat().st_size < 10_000


def test_a_file_of_a_version_that_packed_nothing_is_read():
    state = state_of_a_training()
    assert same(unpacked({"content": "this", "tensors": state}), state)
