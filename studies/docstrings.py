"""Which part of SciPy does this paragraph document? 90 labels a class, and thousands of paragraphs without one."""

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor, nn

import advisor

PARTS = ("integrate", "interpolate", "linalg", "optimize", "signal", "sparse", "spatial", "stats")
LABELLED = 150  # a part, before valid and test are taken from them


class BagOfWords(nn.Module):
    """The mean of a text's word vectors, and a small net on it."""

    def __init__(self, vocab_size: int, num_classes: int, width: int = 64) -> None:
        super().__init__()
        self.words = nn.Embedding(vocab_size, width, padding_idx=0)
        self.head = nn.Sequential(nn.Linear(width, 64), nn.ReLU(), nn.Linear(64, num_classes))

    def forward(self, ids: Tensor) -> Tensor:
        lengths = (ids != 0).sum(1, keepdim=True).clamp(min=1)
        return self.head(self.words(ids).sum(1) / lengths)


def docstrings(folder: Path) -> list[str]:
    """The docstrings of all modules, classes and functions in a folder; its files are read, not imported."""
    documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
    files = [file for file in sorted(folder.rglob("*.py")) if "tests" not in file.parts]
    trees = [ast.parse(file.read_text(encoding="utf-8")) for file in files]
    nodes = [node for tree in trees for node in ast.walk(tree) if isinstance(node, documented)]
    return [text for node in nodes if (text := ast.get_docstring(node))]


def paragraphs(docstring: str) -> list[str]:
    """Its paragraphs of 12 to 80 words, no examples and no headings, without the names of the parts; the longest first."""
    texts = [" ".join(text.split()) for text in re.split(r"\n\s*\n", docstring) if ">>>" not in text and "---" not in text]
    texts = [re.sub(rf"\b({'|'.join(PARTS)})\b", "", text) for text in texts if 12 <= len(text.split()) <= 80]
    return sorted(texts, key=len, reverse=True)


def spread(texts: list[str], most: int) -> list[str]:
    """At most this many of the texts, evenly spread over all of them."""
    return [texts[i * len(texts) // most] for i in range(most)] if len(texts) > most else texts


def scipy_paragraphs() -> dict:
    """One paragraph a docstring with its part as the label; what is left is text without labels."""
    root = Path(find_spec("scipy").origin).parent
    split = {part: [found for text in docstrings(root / part) if (found := paragraphs(text))] for part in PARTS}
    first = {part: sorted({found[0] for found in split[part]}) for part in PARTS}
    parts_of = {text: sum(text in first[part] for part in PARTS) for part in PARTS for text in first[part]}
    labelled = {part: spread([text for text in first[part] if parts_of[text] == 1], LABELLED) for part in PARTS}
    texts = [text for part in PARTS for text in labelled[part]]
    labels = [part for part in PARTS for _ in labelled[part]]
    rest = {text for part in PARTS for found in split[part] for text in found} - set(texts)
    return {"train": (texts, labels), "unlabeled": sorted(rest)}


study = advisor.Study("docstrings", advisor.Task(build=BagOfWords, data=scipy_paragraphs), trials=40)
