"""From what the user has (a file, a folder, arrays, a Dataset, a function) to tensors that are
split, with notes on what was done.
"""

from advisor.data.facts import Facts
from advisor.data.source import Source, open_source
from advisor.data.splits import DatasetPart, Part, Splits, TensorPart

__all__ = ["DatasetPart", "Facts", "Part", "Source", "Splits", "TensorPart", "open_source"]
