"""A bag of words on sentences of film reviews: would anything make it better?"""

from pathlib import Path

import numpy as np
from nets import SentenceNet

import advisor

with np.load(Path(__file__).with_name("sst.npz")) as rows:
    train = rows["train_x"], rows["train_y"]
    test = rows["test_x"], rows["test_y"]

study = advisor.Study("sst", advisor.Task(build=SentenceNet, train=train, test=test))
