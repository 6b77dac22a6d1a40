"""Techniques that hang into the training keep their promises, and one that breaks them is told."""

from __future__ import annotations

from pathlib import Path

import pytest

from advisor.host.host import load, offer_of
from advisor.testing import checks_of, results

PLUGIN = Path(__file__).parent / "hooked.py"
OFFER = offer_of(str(PLUGIN))
SLOTS = {**load().slots, **{slot.name: slot for slot in OFFER.slots}}
HELD = {  # the promises about hooks that have something to judge, by technique
    "ema": {"trains_on_training_rows", "puts_weights_back", "trains_its_own_weights"},
    "mixup": {"trains_on_training_rows", "changes_batches"},
    "falling": {"trains_on_training_rows"},
    "langevin": {"trains_on_training_rows"},
}


@pytest.mark.parametrize("technique", OFFER.techniques, ids=lambda each: each.name)
def test_techniques_of_ten_lines_that_use_hooks_keep_every_promise(technique):
    found = {each.check: each for each in results(checks_of(technique, known=SLOTS))}
    assert not [each.message for each in found.values() if each.status == "broken"]
    kept = {name for name, each in found.items() if each.status == "kept"}
    assert HELD[technique.name] | {"hooks_in", "resumes", "trains"} <= kept


EMA, MIXUP, COSINE, LANGEVIN = range(4)
PUT_BACK = """\
            try:
                yield
            finally:
                run.model = trained
"""
IN_PLACE = """\
            own = [each.detach().clone() for each in run.model.parameters()]
            with torch.no_grad():
                for one, other in zip(run.model.parameters(), mean.parameters(), strict=True):
                    one.copy_(other)
            try:
                yield
            finally:
                with torch.no_grad():
                    for one, other in zip(run.model.parameters(), own, strict=True):
                        one.copy_(other)
"""
SWAP = "            trained, run.model = run.model, mean.module\n"
GROWS = "            run.each_step.append(lambda *_: trained.head.bias.data.add_(1e-3))\n"
STEP = "lambda step, epoch, optimizer: mean.update_parameters(run.model)"
SEES = "        def mixed(inputs, target, generator):\n"
FALL = "        def fall(step, epoch, optimizer):\n"

BROKEN = {  # which technique, what is replaced by what, the promise that breaks, words of the message
    "keeps no state": (EMA, '        run.keep["mean"] = mean\n', "", "resumes", "run.keep"),
    "keeps what has no state": (
        *(EMA, 'run.keep["mean"] = mean', 'run.keep["mean"] = 0.5'),
        *("hooks_in", "state_dict"),
    ),
    "hangs in no function": (EMA, STEP, "mean.update_parameters(run.model)", "hooks_in", "append"),
    "takes no steps": (EMA, "lambda step, epoch, optimizer", "lambda", "trains", "TypeError"),
    "leaves the average": (
        *(EMA, PUT_BACK, "            yield\n"),
        *("puts_weights_back", "leaves another model in run.model"),
    ),
    "leaves the average where scoring raises": (
        *(EMA, PUT_BACK, "            yield\n            run.model = trained\n"),
        *("puts_weights_back", "where the scoring raises"),
    ),
    "leaves averaged values": (
        *(
            EMA,
            SWAP + PUT_BACK,
            IN_PLACE[: IN_PLACE.index("            try")] + "            yield\n",
        ),
        *("puts_weights_back", "leaves other values in"),
    ),
    "hides what is raised": (
        *(
            EMA,
            PUT_BACK,
            PUT_BACK.replace(
                "finally:", "except Exception:\n                pass\n            finally:"
            ),
        ),
        *("puts_weights_back", "hides"),
    ),
    "is no context": (
        *(EMA, "        @contextmanager\n", ""),
        *("puts_weights_back", "return a context"),
    ),
    "moves the average when it is scored": (
        *(EMA, SWAP, SWAP + "            mean.update_parameters(trained)\n"),
        *("puts_weights_back", "two scorings in a row"),
    ),
    "trains on because it is scored": (
        *(EMA, SWAP, SWAP + GROWS),
        *("trains_its_own_weights", "where the model is scored"),
    ),
    "draws rows globally": (
        *(MIXUP, ", generator=generator", ""),
        *("changes_batches", "the generator that it gets"),
    ),
    "makes rows fewer": (
        *(MIXUP, "return tuple(inputs), target", "return (inputs[0][1:],), target[1:]"),
        *("changes_batches", "as many as it gets"),
    ),
    "gives an input alone": (
        *(MIXUP, "return tuple(inputs), target", "return inputs[0], target"),
        *("changes_batches", "as inputs; return as many as it gets, 1 in a tuple"),
    ),
    "gives inputs only": (
        *(MIXUP, "return tuple(inputs), target", "return tuple(inputs)"),
        *("changes_batches", "return (inputs, target)"),
    ),
    "raises on a batch": (
        MIXUP,
        SEES,
        SEES + "            assert len(target) > 3\n",
        "changes_batches",
        "3 rows",
    ),
    "looks at validation rows": (
        *(MIXUP, SEES, SEES + "            run.task.valid[0]\n"),
        *("trains_on_training_rows", "run.task.valid"),
    ),
    "looks at test rows in silence": (
        *(
            COSINE,
            FALL,
            FALL
            + "            try:\n                len(run.task.test)\n            except LookupError:\n                pass\n",
        ),
        *("trains_on_training_rows", "run.task.test"),
    ),
    "counts its own steps": (
        *(
            COSINE,
            FALL,
            "        run.own = 0\n\n"
            + FALL
            + "            run.own += 1\n            step = run.own\n",
        ),
        *("resumes", "is another"),
    ),
    "draws from a generator that is not kept": (
        *(
            LANGEVIN,
            "torch.randn_like(parameter)",
            "torch.randn(parameter.shape, generator=run.generator)",
        ),
        *("resumes", "is another"),
    ),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_hook_that_breaks_a_promise_is_told(how, write):
    place, old, new, check, words = BROKEN[how]
    text = PLUGIN.read_text()
    assert old in text
    text = text.replace(old, new)
    offer = offer_of(write("broken.py", text))
    checks = {
        each.promise.name: each
        for each in checks_of(offer.techniques[place], file=offer.file, known=SLOTS)
    }
    found = checks[check].result({})
    assert found.status == "broken", found
    assert words in found.message
    assert found.place.startswith("broken.py:")
