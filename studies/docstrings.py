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
LABELLED = 100  # paragraphs of each part; valid and test come out of these


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
    files = [file for file in sorted(root.rglob("*.py")) if "tests" not in file.parts]
    nodes = (
        node for file in files for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
    )
    return [
        text for node in nodes if isinstance(node, documented) and (text := ast.get_docstring(node))
    ]


def prose(docstring: str) -> list[str]:
    """Paragraphs of 12 to 80 words, the longest first; no headings, no examples, and no word that
    names a part.
    """
    texts = [
        " ".join(text.split())
        for text in re.split(r"\n\s*\n", docstring)
        if ">>>" not in text and "---" not in text
    ]
    names = "|".join({name for part in PARTS for name in part.split("/")})
    texts = [re.sub(rf"\b({names})\b", "", text) for text in texts if 12 <= len(text.split()) <= 80]
    return sorted(texts, key=lambda text: (-len(text), text))


def paragraphs() -> dict:
    """One paragraph of a docstring with its part as the label, equally many for each part; all
    others have no label.
    """
    found = {part: [texts for text in docstrings(part) if (texts := prose(text))] for part in PARTS}
    first = {part: sorted({texts[0] for texts in found[part]}) for part in PARTS}
    chosen = [(text, part) for part in PARTS for text in evenly(first[part], LABELLED)]
    labelled = dict(sorted(chosen))
    rest = {text for part in PARTS for texts in found[part] for text in texts} - set(labelled)
    return {"train": (list(labelled), list(labelled.values())), "unlabeled": sorted(rest)}


def evenly(texts: list[str], most: int) -> list[str]:
    """Texts at even distances, at most `most`."""
    return [texts[i * len(texts) // most] for i in range(most)] if len(texts) > most else texts


study = advisor.Study("docstrings", advisor.Task(build=BagOfWords, data=paragraphs), trials=30)
