"""A small net on 5,000 rows of a census: would anything make it better?"""

from functools import partial
from pathlib import Path

import numpy as np
from nets import adult_net

import advisor

with np.load(Path(__file__).with_name("adult.npz")) as rows:
    train = rows["train_x"], rows["train_y"]
    test = rows["test_x"], rows["test_y"]

build = partial(adult_net, train[0].shape[1])
study = advisor.Study("adult", advisor.Task(build=build, train=train, test=test))
