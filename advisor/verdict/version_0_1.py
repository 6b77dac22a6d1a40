"""Answers of version 0.1: what they kept as a sentence only, and versions since keep as data."""

from __future__ import annotations

import re

from advisor.training.ended import Ended

# How the sentences of that version begin, or what stands in them, with the reason that they gave.
_REASONS = {
    r"^not trained: ": Ended.NOT_TRAINED,
    r"^training loss \S+ after \d+ steps; ": Ended.EARLY_LOSS,
    r" after epoch \d+, and \d+ of \d+ were better": Ended.OUTRANKED,
    r"^the time was up$": Ended.OUT_OF_TIME,
    r"^the training loss became ": Ended.NOT_FINITE,
    r" on the validation rows (became|is not finite)": Ended.NOT_FINITE,
}


def metric_of_test_rows(metric: str) -> str:
    """What test rows are scored by, where arms may be compared by `epochs to accuracy 0.95`."""
    raced = re.fullmatch(r"epochs to (.+) \S+", metric)
    return raced[1] if raced else metric


def reason_of(sentence: str) -> tuple[Ended, int]:
    """Why a trial ended, and after how many epochs where the sentence says that, else 0."""
    epochs = re.search(r" after epoch (\d+), and ", sentence)
    count = int(epochs[1]) if epochs else 0
    for pattern, ended in _REASONS.items():
        if re.search(pattern, sentence):
            return ended, count
    return Ended.FAILED, count
