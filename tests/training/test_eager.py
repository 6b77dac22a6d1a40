"""Optimizers that are torch's own, without the import of its compiler."""

import subprocess
import sys

import pytest
import torch
from torch import nn

from advisor.training import eager

PAIRS = [
    (eager.AdamW, torch.optim.AdamW),
    (eager.Adam, torch.optim.Adam),
    (eager.SGD, torch.optim.SGD),
]


def trained(kind, steps, fused, state=None):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 3))
    own, rest = list(net[0].parameters()), list(net[2].parameters())
    groups = [{"params": own, "weight_decay": 0.1}, {"params": rest, "lr": 0.02}]
    optimizer = kind(groups, lr=0.01, fused=fused)
    if state is not None:
        optimizer.load_state_dict(state)
    for _ in range(steps):
        optimizer.zero_grad(set_to_none=True)
        net(torch.randn(4, 5)).square().mean().backward()
        optimizer.step()
    return net, optimizer


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
def test_every_number_is_that_of_torchs_own_optimizer(ours, theirs, fused):
    (net, optimizer), (other, its) = trained(ours, 5, fused), trained(theirs, 5, fused)
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)
    assert type(optimizer).__name__ == type(its).__name__
    assert isinstance(optimizer, theirs)
    # The state of one is that of the other.
    (net, _), (other, _) = (
        trained(ours, 2, fused, its.state_dict()),
        trained(theirs, 2, fused, optimizer.state_dict()),
    )
    for one, two in zip(net.parameters(), other.parameters(), strict=True):
        assert torch.equal(one, two)


def test_a_step_lets_no_gradient_flow_takes_a_closure_and_calls_hooks():
    weight = nn.Parameter(torch.ones(3))
    optimizer, seen = eager.AdamW([weight], lr=0.1), []
    optimizer.register_step_post_hook(lambda *_: seen.append(weight.grad))

    def loss():
        value = weight.square().sum()
        value.backward()
        return value

    assert optimizer.step(loss).item() == 3
    assert torch.equal(seen[0], 2 * torch.ones(3))
    assert weight.requires_grad
    assert torch.is_grad_enabled()
    optimizer.add_param_group({"params": [nn.Parameter(torch.ones(2))]})
    assert len(optimizer.param_groups) == 2


def test_a_training_imports_no_compiler():
    program = """
import sys, torch
from advisor.training.optimizers import adamw
net = torch.nn.Linear(3, 2)
optimizer = adamw([{"params": list(net.parameters())}], 0.1, 0.0)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.1, 4)
for _ in range(2):
    optimizer.zero_grad(set_to_none=True)
    net(torch.randn(4, 3)).sum().backward()
    torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimizer.step()
    schedule.step()
optimizer.load_state_dict(optimizer.state_dict())
print("torch._dynamo" in sys.modules)
"""
    ended = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert ended.stdout.strip() == "False"
