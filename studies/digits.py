"""A deep plain net at PyTorch's default start, on scikit-learn's handwritten digits. What would
make it learn?
"""

from sklearn.datasets import load_digits
from torch import nn

import advisor


def deep_net(width: int = 64, depth: int = 30) -> nn.Module:
    """Thirty plain layers with ReLU: the signal dies on the way, and nothing tells you."""
    hidden = [layer for _ in range(depth - 2) for layer in (nn.Linear(width, width), nn.ReLU())]
    return nn.Sequential(nn.Linear(64, width), nn.ReLU(), *hidden, nn.Linear(width, 10))


def digits() -> tuple:
    """1,797 images of 8 x 8 pixels in 0..16, scaled to mean 0 and deviation 1."""
    x, y = load_digits(return_X_y=True)
    return ((x - x.mean()) / x.std()).astype("float32"), y


study = advisor.Study("digits", advisor.Task(build=deep_net, data=digits), trials=60)
