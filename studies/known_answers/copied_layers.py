"""`nn.TransformerEncoder` copies one layer, so that all begin with the same bits; advisor must
report it (PyTorch's own notes).
"""

from known_data import digits
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

import advisor


class Rows(nn.Module):
    """Reads an image row by row: eight tokens of eight pixels, two layers of attention."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.inside = nn.Linear(8, width)
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=0.0, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.head = nn.Linear(8 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.encoder(self.inside(x.reshape(-1, 8, 8))).flatten(1))


study = advisor.Study(
    "copied_layers",
    advisor.Task(build=Rows, data=digits, loss=cross_entropy, metric="accuracy", batch=64),
    trials=9,
    epochs=5,
    min_gain=0.005,
    only={
        "activation": [],
        "initializer": ["xavier", "orthogonal"],
        "pretraining": [],
        "embedding": [],
    },
)
EXPECTED = {
    "verdict": ["keep"],
    "finding": "identical_layers",
    "fixes": "model, start, splits by seed; AdamW at a constant rate, tuned in every arm",
    "source": "PyTorch, nn.TransformerEncoder; measured",
}
