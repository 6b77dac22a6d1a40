"""Adam in few calls, beside torch's own."""

import pytest
import torch
from torch import nn

from advisor.training.eager import Adam
from advisor.training.moving import FusedAdam, adam


def test_parameters_are_moved_as_torchs_adam_moves_them_also_those_without_a_gradient_at_times():
    torch.manual_seed(0)
    own = [nn.Parameter(torch.randn(size)) for size in ((5, 7), (7,), (3,))]
    images = torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last)
    own.append(nn.Parameter(images))
    other = [nn.Parameter(each.detach().clone()) for each in own]
    ours, torchs = FusedAdam(own, 0.01), torch.optim.Adam(other, lr=0.01)
    for step in range(30):
        for optimizer in (ours, torchs):
            optimizer.zero_grad(set_to_none=True)
        assert own[0].grad is None
        for place, (one, two) in enumerate(zip(own, other, strict=True)):
            if step // (place + 1) % 3 < 2:
                # One that lies in memory the other way round.
                one.grad = torch.randn(one.shape[::-1]).permute(*range(one.ndim)[::-1])
                two.grad = one.grad.clone()
        ours.step()
        torchs.step()
    for one, two in zip(own, other, strict=True):
        torch.testing.assert_close(one, two)
        assert one.requires_grad
    ours.zero_grad()
    ours.step()


@pytest.mark.parametrize(
    ("parameter", "kind"),
    [
        (torch.randn(3, 4), FusedAdam),
        (torch.randn(3, 4, dtype=torch.double), FusedAdam),
        (torch.randn(4, 3, 2, 2).to(memory_format=torch.channels_last), FusedAdam),
        (torch.randn(4, 3, 2, 2)[:, :2], Adam),
        (torch.randn(3, 4).T, Adam),
        (torch.randn(3, 4, dtype=torch.cfloat), Adam),
    ],
)
def test_what_torch_cannot_move_in_one_call_is_moved_as_ever(parameter, kind):
    assert type(adam([nn.Parameter(parameter), nn.Parameter(torch.ones(2))], lr=0.1)) is kind
