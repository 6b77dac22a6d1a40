"""Several models of one task, from which a study may choose."""

from torch import Tensor, nn


class Small(nn.Module):
    """Tells classes apart by a straight line, with a rectifier that a technique can change."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.act, self.last = nn.Linear(4, 1), nn.ReLU(), nn.Linear(1, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.act(self.first(x)))


class Deep(nn.Module):
    """Two hidden layers of some width."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(4, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


class Straight(nn.Module):
    """A layer without an activation, which no activation technique can change."""

    def __init__(self) -> None:
        super().__init__()
        self.only = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.only(x)
