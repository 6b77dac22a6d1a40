"""Every example model and every property: what holds, and where the unmodified model cannot do it
either.
"""

import pytest
from models import handling, properties, zoo

MODELS = pytest.mark.parametrize("model", zoo.CASES)


@MODELS
@pytest.mark.parametrize("prop", properties.PROPERTIES)
def test_the_table_of_models_and_properties(model, prop):
    case, check = zoo.CASES[model], properties.PROPERTIES[prop]
    if prop in case.cannot:
        with pytest.raises(handling.BaseCannot):
            check(case)
    else:
        check(case)


def test_the_zoo_knows_every_label():
    labels = {label for case in zoo.CASES.values() for _, label, _ in case.truth}
    assert labels == {"hidden", "gate", "score", "output", "composite"}
