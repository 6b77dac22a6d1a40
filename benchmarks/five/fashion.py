"""A small convolutional net on 5,000 pictures of clothes: would anything make it better?"""

from pathlib import Path

import numpy as np
from nets import fashion_net

import advisor

with np.load(Path(__file__).with_name("fashion.npz")) as rows:
    train = rows["train_x"], rows["train_y"]
    test = rows["test_x"], rows["test_y"]

study = advisor.Study("fashion", advisor.Task(build=fashion_net, train=train, test=test))
