"""Multi-layer perceptrons, as people write them."""

import torch
import torch.nn as nn
import torch.nn.functional as F


class SharedActivation(nn.Module):
    def __init__(self, in_features, num_classes, hidden=16):
        super().__init__()
        act = nn.ReLU()
        self.net = nn.Sequential(
            nn.Linear(in_features, hidden), act,
            nn.Linear(hidden, hidden), act,
            nn.Linear(hidden, num_classes),
        )  # fmt: skip

    def forward(self, x):
        return self.net(x)


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 16)
        self.fc3 = nn.Linear(16, 3)
        self.dropout = nn.Dropout(0.5)

    def forward(self, x):
        x = self.dropout(F.relu(self.fc1(x)))
        x = self.dropout(torch.relu(self.fc2(x)))
        return self.fc3(x)


class Methods(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 16)
        self.fc3 = nn.Linear(16, 16)
        self.out = nn.Linear(16, 1)

    def forward(self, x):
        h = self.fc1(x).relu().tanh()
        h = F.leaky_relu(self.fc2(h), 0.1, inplace=True)
        h = self.fc3(h)
        F.relu(h, inplace=True)
        return self.out(h).sigmoid()


class Deep(nn.Module):
    """A plain network of thirty layers built in a loop."""

    def __init__(self, width=8, depth=30):
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(width, width) for _ in range(depth)])
        self.head = nn.Linear(width, 10)

    def forward(self, x):
        for layer in self.layers:
            x = F.relu(layer(x))
        return self.head(x)


class SharedSigmoid(nn.Module):
    """The same sigmoid between the layers and at the end."""

    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(8, 16)
        self.fc2 = nn.Linear(16, 1)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x):
        x = self.sigmoid(self.fc1(x))
        return self.sigmoid(self.fc2(x))


class FromConfig(nn.Module):
    """The activation is an attribute: a function."""

    def __init__(self, activation="relu"):
        super().__init__()
        self.act = getattr(F, activation)
        self.up, self.down = nn.Linear(8, 16), nn.Linear(16, 8)
        self.norm = nn.LayerNorm(8)

    def forward(self, x):
        return x + self.down(self.act(self.up(self.norm(x))))


class InAList(nn.Module):
    """Modules in a plain list: named_modules() does not see them."""

    def __init__(self):
        super().__init__()
        self.first = nn.Linear(8, 8)
        self.stages = [[nn.Linear(8, 8), nn.ReLU()], [nn.Linear(8, 8), nn.ReLU()]]
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.first(x)
        for linear, act in self.stages:
            x = act(linear(x))
        return self.head(x)


class MadeInForward(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(8, 8)
        self.b = nn.Linear(8, 2)

    def forward(self, x):
        return self.b(nn.ReLU()(self.a(x)))


class Normalized(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.utils.parametrizations.weight_norm(nn.Linear(8, 8))
        self.act = nn.PReLU()
        self.b = nn.utils.parametrizations.weight_norm(nn.Linear(8, 2))
        self.spare = nn.Linear(3, 3)

    def forward(self, x):
        return F.softmax(self.b(self.act(self.a(x))), dim=1)
