"""Which library does this paragraph document? Few labels, much text without any: what do word
vectors bring?
"""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

from torch import Tensor, nn

import advisor

PARTS = (
    "numpy/lib",
    "pandas/io",
    "scipy/optimize",
    "scipy/signal",
    "scipy/sparse",
    "sqlalchemy/engine",
    "sqlalchemy/orm",
    "torch/nn",
)
"""Parts of libraries; each is a label."""
LABELLED = 100
"""Paragraphs of each part; the rows to validate and to test come out of these."""


class BagOfWords(nn.Module):
    """The mean of a paragraph's word vectors, and a small net on top."""

    def __init__(self, vocab_size: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, width, padding_idx=0)
        self.head = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, num_classes))

    def forward(self, ids: Tensor) -> Tensor:
        count = (ids != 0).sum(dim=1, keepdim=True).clamp(min=1)
        return self.head(self.words(ids).sum(dim=1) / count)


def docstrings(part: str) -> list[str]:
    """The docstrings of every module, class and function in a part of an installed library, which
    is read, not imported.
    """
    library, _, folder = part.partition("/")
    root = Path(find_spec(library).origin).parent / folder
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    texts = []
    for file in sorted(root.rglob("*.py")):
        if "tests" in file.parts:
            continue
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            text = ast.get_docstring(node) if isinstance(node, documented) else None
            if text:
                texts.append(text)
    return texts


def prose(docstring: str) -> list[str]:
    """Paragraphs of 12 to 80 words, the longest first; no headings, no examples, and no word that
    names a part.
    """
    names = "|".join({name for part in PARTS for name in part.split("/")})
    texts = []
    for paragraph in re.split(r"\n\s*\n", docstring):
        words = paragraph.split()
        if 12 <= len(words) <= 80 and ">>>" not in paragraph and "---" not in paragraph:
            texts.append(re.sub(rf"\b({names})\b", "", " ".join(words)))
    return sorted(texts, key=lambda text: (-len(text), text))


def paragraphs() -> dict:
    """One paragraph of a docstring with its part as the label, equally many for each part; all
    others have no label.
    """
    chosen: list[tuple[str, str]] = []
    everything: set[str] = set()
    for part in PARTS:
        first = set()
        for docstring in docstrings(part):
            texts = prose(docstring)
            everything.update(texts)
            first.update(texts[:1])
        chosen += [(text, part) for text in evenly(sorted(first), LABELLED)]
    labelled = dict(sorted(chosen))
    unlabeled = sorted(everything - set(labelled))
    return {"train": (list(labelled), list(labelled.values())), "unlabeled": unlabeled}


def evenly(texts: list[str], most: int) -> list[str]:
    """Texts at even distances, at most `most`."""
    if len(texts) <= most:
        return texts
    return [texts[i * len(texts) // most] for i in range(most)]


study = advisor.Study("docstrings", advisor.Task(build=BagOfWords, data=paragraphs), trials=30)
