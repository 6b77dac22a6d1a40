"""Two layers of 128 on handwritten digits: would anything make it better?"""

from pathlib import Path

import numpy as np
from nets import digits_net

import advisor

with np.load(Path(__file__).with_name("digits_128.npz")) as rows:
    train = rows["train_x"], rows["train_y"]
    test = rows["test_x"], rows["test_y"]

study = advisor.Study("digits_128", advisor.Task(build=digits_net, train=train, test=test))
