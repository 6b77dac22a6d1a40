"""Every example model and every property: what holds, and where the unmodified model cannot do it
either.
"""

from pathlib import Path

import pytest
import torch
from models import handling, properties, zoo

MODELS = pytest.mark.parametrize("model", zoo.CASES)
CONSTRAINTS = (Path(__file__).parents[2] / "constraints.txt").read_text().splitlines()
# The table says what the unmodified models can do in the torch that constraints.txt pins.
PINNED = f"torch=={torch.__version__.partition('+')[0]}" in CONSTRAINTS


@MODELS
@pytest.mark.parametrize("prop", properties.PROPERTIES)
def test_the_table_of_models_and_properties(model, prop):
    case, check = zoo.CASES[model], properties.PROPERTIES[prop]
    if prop in case.cannot:
        with pytest.raises(handling.BaseCannot):
            check(case)
        return
    try:
        check(case)
    except handling.BaseCannot as reason:
        if PINNED:
            raise
        why = str(reason).splitlines()[0]
        pytest.skip(f"torch {torch.__version__} cannot do it to the unmodified model: {why}")


def test_the_zoo_knows_every_label():
    labels = {label for case in zoo.CASES.values() for _, label, _ in case.truth}
    assert labels == {"hidden", "gate", "score", "output", "composite"}
