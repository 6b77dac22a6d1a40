"""A small sigmoid net, as in the textbooks, on scikit-learn's 442 diabetes patients. Would anything
beat it?
"""

from sklearn.datasets import load_diabetes
from torch import nn

import advisor


class TextbookNet(nn.Module):
    """Two hidden layers of sigmoids, and one number for the progression of the disease."""

    def __init__(self, in_features: int, width: int = 32) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(in_features, width), nn.Sigmoid(), nn.Linear(width, width), nn.Sigmoid()
        )
        self.head = nn.Linear(width, 1)

    def forward(self, x):
        return self.head(self.body(x))


def diabetes():
    """Ten measurements of each patient, and the progression of the disease a year later, as a
    table.
    """
    return load_diabetes(as_frame=True, scaled=False).frame


study = advisor.Study(
    "diabetes", advisor.Task(build=TextbookNet, data=diabetes, target="target"), trials=40
)
