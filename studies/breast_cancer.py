"""A sensible small net on scikit-learn's 569 breast tumours, told benign from malignant. Is there anything left to gain?"""

from sklearn.datasets import load_breast_cancer
from torch import nn

import advisor


def small_net(in_features: int, num_classes: int) -> nn.Module:
    """What most people would write first."""
    return nn.Sequential(nn.Linear(in_features, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, num_classes))


def tumours():
    """Thirty measurements of each tumour, as a table: advisor scales the columns by the training rows."""
    return load_breast_cancer(as_frame=True).frame


study = advisor.Study("breast_cancer", advisor.Task(build=small_net, data=tumours, target="target"), trials=40)
