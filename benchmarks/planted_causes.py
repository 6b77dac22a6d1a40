"""Studies with one planted cause: whether the reason that is named is that cause.

    python benchmarks/planted_causes.py [--only conv_dead]

Each model is sound but for what its docstring says; data are scikit-learn's. What is expected was
written down before the first run, and no study was changed after it. The first five were run: three
causes named, two not, none false. Then what they showed was mended in the diagnosis, the
initializers and the reasons; then the other five were written and run once: all named.

A line says the verdict, the kinds of findings that are given as the cause ("because"), and whether
they are what was planted:
`yes`; `effect`, where only what follows from it is named; `no`, where nothing or something else is.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import (
    load_breast_cancer,
    load_digits,
    load_wine,
    make_classification,
    make_moons,
)
from torch import Tensor, nn

import advisor
from advisor.api.tune import tune
from advisor.verdict.recommendation import Recommendation

PLUGIN = Path(__file__).with_name("rare_rows.py")
"""Techniques for rare classes, which no installed plugin has."""
SEARCHED = {"pretraining": [], "embedding": []}
"""All activations and initializers that are searched without being named."""
ALONE = "gains by its learning rate alone"
"""What is said where the rate of the model was at fault."""


# --- models -------------------------------------------------------------------------------------


def saturated_tanh() -> nn.Module:
    """Four tanh layers of 32 whose weights have deviation 2, eleven times what fits."""
    layers: list[nn.Module] = []
    for before, after in pairwise([30, 32, 32, 32, 32]):
        linear = nn.Linear(before, after)
        nn.init.normal_(linear.weight, std=2.0)
        layers += [linear, nn.Tanh()]
    return nn.Sequential(*layers, nn.Linear(32, 2))


def conv_dead() -> nn.Module:
    """Three convolutions; all biases of the second one are -8, so that its ReLU never fires."""
    second = nn.Conv2d(8, 16, 3, stride=2, padding=1)
    nn.init.constant_(second.bias, -8.0)
    return nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.ReLU(),
        second, nn.ReLU(),
        nn.Conv2d(16, 16, 3, stride=2, padding=1), nn.ReLU(),
        nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


class Reader(nn.Module):
    """An LSTM that reads an image row by row; sound, and 1e-3 is too slow for six epochs."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(8, 32, batch_first=True)
        self.head = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def two_layers() -> nn.Module:
    """A small sound net; of the rows, 6 % are of one class, which lies amid the other."""
    return nn.Sequential(
        nn.Linear(2, 32), nn.GELU(), nn.Linear(32, 32), nn.GELU(), nn.Linear(32, 2)
    )


def tiny_weights() -> nn.Module:
    """Sixteen GELU layers of 32 whose weights have deviation .02, a ninth of what fits."""
    layers: list[nn.Module] = []
    for before, after in pairwise([13, *[32] * 16]):
        linear = nn.Linear(before, after)
        nn.init.normal_(linear.weight, std=0.02)
        nn.init.zeros_(linear.bias)
        layers += [linear, nn.GELU()]
    return nn.Sequential(*layers, nn.Linear(32, 3))


def clipped_large() -> nn.Module:
    """Three hardtanh layers of 48 whose weights have deviation 1.5, twelve times what fits."""
    layers: list[nn.Module] = []
    for before, after in pairwise([64, 48, 48, 48]):
        linear = nn.Linear(before, after)
        nn.init.normal_(linear.weight, std=1.5)
        layers += [linear, nn.Hardtanh()]
    return nn.Sequential(*layers, nn.Linear(48, 10))


def sequence_dead() -> nn.Module:
    """Two convolutions along the columns; the biases of the second one are all -10."""
    second = nn.Conv1d(12, 12, 5, stride=2)
    nn.init.constant_(second.bias, -10.0)
    return nn.Sequential(
        nn.Unflatten(1, (1, 30)),
        nn.Conv1d(1, 12, 5), nn.ReLU(),
        second, nn.ReLU(),
        nn.Flatten(), nn.Linear(132, 2),
    )  # fmt: skip


def short_training() -> nn.Module:
    """A small sound net; four epochs of wine are some thirty steps, too few for 1e-3."""
    return nn.Sequential(nn.Linear(13, 16), nn.GELU(), nn.Linear(16, 3))


def wide_tanh() -> nn.Module:
    """A small sound net; two of three classes have 6 and 4 % of the rows and overlap the third."""
    return nn.Sequential(nn.Linear(12, 48), nn.Tanh(), nn.Linear(48, 3))


def faint_convs() -> nn.Module:
    """Ten convolutions with SiLU whose weights have deviation .01, a twelfth of what fits."""
    layers: list[nn.Module] = []
    for before, after in pairwise([1, *[8] * 10]):
        conv = nn.Conv2d(before, after, 3, padding=1)
        nn.init.normal_(conv.weight, std=0.01)
        nn.init.zeros_(conv.bias)
        layers += [conv, nn.SiLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(512, 10))


# --- data ---------------------------------------------------------------------------------------


def scaled(x: Any) -> Tensor:
    """Columns with mean 0 and deviation 1."""
    return torch.from_numpy((x - x.mean(0)) / x.std(0)).float()


def cancer() -> tuple[Tensor, Tensor]:
    """569 tumours, 30 numbers each, benign or not."""
    x, y = load_breast_cancer(return_X_y=True)
    return scaled(x), torch.from_numpy(y)


def wine() -> tuple[Tensor, Tensor]:
    """178 wines of three cultivars, 13 numbers each."""
    x, y = load_wine(return_X_y=True)
    return scaled(x), torch.from_numpy(y)


def rows_of_pixels() -> tuple[Tensor, Tensor]:
    """1,797 digits as 8 steps of 8 pixels in 0..1."""
    found = load_digits()
    return torch.from_numpy(found.images / 16).float(), torch.from_numpy(found.target)


def images() -> tuple[Tensor, Tensor]:
    """1,797 digits as images with one channel."""
    x, y = rows_of_pixels()
    return x[:, None], y


def rare_moon() -> tuple[Tensor, Tensor]:
    """2,000 points of two moons with noise .4, of which 120 are of the second."""
    x, y = make_moons((1880, 120), noise=0.4, random_state=0)
    return torch.from_numpy(x).float(), torch.from_numpy(y)


def pixels() -> tuple[Tensor, Tensor]:
    """1,797 digits as 64 numbers with mean 0 and deviation 1 over all."""
    x, y = load_digits(return_X_y=True)
    return torch.from_numpy((x - x.mean()) / x.std()).float(), torch.from_numpy(y)


def rare_two() -> tuple[Tensor, Tensor]:
    """3,000 points in 12 dimensions, three classes with 90, 6 and 4 % of them."""
    x, y = make_classification(
        3000, 12, n_informative=6, n_classes=3, weights=[0.9, 0.06, 0.04], class_sep=0.7,
        random_state=0,
    )  # fmt: skip
    return scaled(x), torch.from_numpy(y)


def mean_recall(output: Tensor, target: Tensor) -> float:
    """The share of each class that is found, averaged over the classes."""
    found = (output.argmax(1) == target).double()
    each = [float(found[target == label].mean()) for label in target.unique()]
    return sum(each) / len(each)


# --- what is planted ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Planted:
    """A study whose answer's reason is known.

    Attributes:
        name: of the study.
        build, data: of its task.
        cause: what was planted, in words.
        kinds: of findings that name it; none where it is the rate.
        effects: kinds that follow from it.
        trials, epochs: of the study.
        metric: of the task.
    """

    name: str
    build: Callable[[], nn.Module]
    data: Callable[[], tuple[Tensor, Tensor]]
    cause: str
    kinds: frozenset[str]
    effects: frozenset[str] = frozenset()
    trials: int = 20
    epochs: int = 10
    metric: Any = "accuracy"

    def study(self) -> advisor.Study:
        """What is asked."""
        task = advisor.Task(self.build, self.data, metric=self.metric)
        trials, epochs = self.trials, self.epochs
        return advisor.Study(self.name, task, trials=trials, epochs=epochs, only=SEARCHED)


FIRST = (
    Planted(
        "saturated_tanh", saturated_tanh, cancer, "saturated start",
        frozenset({"saturated_units"}), frozenset({"vanishing", "exploding"}), epochs=15,
    ),
    Planted(
        "conv_dead", conv_dead, images, "dead biases",
        frozenset({"dead_units"}), frozenset({"collapsed", "vanishing"}), epochs=6,
    ),
    Planted("slow_reader", Reader, rows_of_pixels, "bad rate", frozenset(), epochs=6),
    Planted(
        "rare_moon", two_layers, rare_moon, "class imbalance",
        frozenset({"rare_class"}), trials=24, metric=mean_recall,
    ),
    Planted(
        "tiny_weights", tiny_weights, wine, "collapse",
        frozenset({"collapsed"}), frozenset({"vanishing"}), epochs=15,
    ),
)  # fmt: skip
"""Written before they were run; run once; all but the last once more after the mending."""
SECOND = (
    Planted(
        "clipped_large", clipped_large, pixels, "saturated start",
        frozenset({"saturated_units"}), frozenset({"vanishing", "exploding"}), epochs=8,
    ),
    Planted(
        "sequence_dead", sequence_dead, cancer, "dead biases",
        frozenset({"dead_units"}), frozenset({"collapsed", "vanishing"}),
    ),
    Planted("short_training", short_training, wine, "bad rate", frozenset(), epochs=4),
    Planted(
        "rare_two", wide_tanh, rare_two, "class imbalance",
        frozenset({"rare_class"}), trials=24, metric=mean_recall, epochs=8,
    ),
    Planted(
        "faint_convs", faint_convs, images, "collapse",
        frozenset({"collapsed"}), frozenset({"vanishing"}), epochs=6,
    ),
)  # fmt: skip
"""Written after the first five had been run, before these were; run once."""


# --- what is answered ---------------------------------------------------------------------------


def kinds_named(answer: Recommendation) -> list[str]:
    """The kinds of findings that are given as the cause."""
    named = []
    for reason in answer.reasons:
        _head, because, rest = reason.partition(", because: ")
        if because:
            named += [each.kind for each in answer.findings if rest.startswith(each.sentence)]
    return named


def is_right(planted: Planted, answer: Recommendation) -> str:
    """Whether the reason that is named is the planted cause."""
    named = set(kinds_named(answer))
    if not planted.kinds:
        told = any(ALONE in reason for reason in answer.reasons)
        return "yes" if told and not named else "no"
    if named - planted.kinds - planted.effects or not named:
        return "no"
    return "yes" if named & planted.kinds else "effect"


def answers(planted: Sequence[Planted], folder: Path) -> Iterator[tuple[Planted, Recommendation]]:
    """Each study, asked once."""
    for each in planted:
        plugins = [str(PLUGIN)] if "rare_class" in each.kinds else []
        storage = f"sqlite:///{folder / 'planted.db'}"
        yield each, tune(each.study(), storage=storage, plugins=plugins, workers=0)


def main() -> None:
    """Print the table, and all reasons below it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n\n")[0])
    parser.add_argument("--only", nargs="*", help="names of studies")
    options = parser.parse_args()
    chosen = [each for each in (*FIRST, *SECOND) if each.name in (options.only or [each.name])]

    print(f"{'study':<16} {'planted':<16} {'verdict':<10} {'gain':>7}  {'named':<28} right  time")
    told = []
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        for each, answer in answers(chosen, Path(folder)):
            seconds, began = time.perf_counter() - began, time.perf_counter()
            named = ", ".join(kinds_named(answer)) or "-"
            gain = "-" if answer.gain.mean is None else f"{answer.gain.mean:+.3f}"
            print(
                f"{each.name:<16} {each.cause:<16} {answer.verdict:<10} {gain:>7}  {named:<28} "
                f"{is_right(each, answer):<6} {seconds:.0f} s",
                flush=True,
            )
            told.append((each.name, answer))
    for name, answer in told:
        changes = {slot: what for slot, what in answer.choices.items() if what != "keep"}
        print(f"\n{name}: {changes or 'keep'}; found: {[each.kind for each in answer.findings]}")
        for reason in [*answer.reasons, *(f"(warning) {each}" for each in answer.warnings)]:
            print(f"  {reason}")


if __name__ == "__main__":
    main()
