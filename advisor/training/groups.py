"""What an optimizer is given: the parameters to train, in groups."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from torch import nn

if TYPE_CHECKING:
    from advisor.training.run import Run


class ParameterGroups(list[dict[str, Any]]):
    """Groups of parameters as torch's optimizers take them, which know their model.

    Attributes:
        model: whose parameters they are.
        undecayed: parameters that a technique wants without weight decay.
    """

    def __init__(
        self, groups: list[dict[str, Any]], model: nn.Module, undecayed: list[nn.Parameter]
    ) -> None:
        super().__init__(groups)
        self.model = model
        self.undecayed = undecayed

    def parameters(self) -> list[nn.Parameter]:
        """All of them, in the order in which the model has them."""
        inside = {id(parameter) for group in self for parameter in group["params"]}
        return [each for each in nn.Module.parameters(self.model) if id(each) in inside]


def parameter_groups(run: Run) -> ParameterGroups:
    """The parameters to train in up to two groups: with weight decay, and without.

    Vectors such as biases and gains, and the parameters in `run.undecayed`, get no weight decay.
    Parameters that `run.later` freezes for a while are in a group from the beginning.
    """
    later = [parameter for parameter, _ in run.later]
    return groups_of(run.model, run.undecayed, later)


def groups_of(
    model: nn.Module, undecayed: Sequence[nn.Parameter] = (), later: Sequence[nn.Parameter] = ()
) -> ParameterGroups:
    """The parameters of a model to train, and those that are frozen for a while, in two groups."""
    without_decay = {id(parameter) for parameter in undecayed}
    frozen_now = {id(parameter) for parameter in later}
    decayed: list[nn.Parameter] = []
    free: list[nn.Parameter] = []
    # A user's model may have an attribute that is called `parameters`, so the class is asked.
    for parameter in nn.Module.parameters(model):
        if not parameter.requires_grad and id(parameter) not in frozen_now:
            continue
        is_decayed = parameter.ndim >= 2 and id(parameter) not in without_decay
        (decayed if is_decayed else free).append(parameter)
    # An optimizer refuses a group without parameters.
    groups: list[dict[str, Any]] = [{"params": decayed}, {"params": free, "weight_decay": 0.0}]
    filled = [group for group in groups if group["params"]]
    return ParameterGroups(filled, model, list(undecayed))
