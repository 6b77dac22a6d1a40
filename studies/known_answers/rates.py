"""A technique that is nothing but a learning rate three times as high."""

import advisor


class Triple(advisor.Technique):
    """Multiply the learning rate by 3: what looks like a better method where the rate was not
    tuned.
    """

    name, slot, cite = "triple", "speed", "Choi et al. 2019, on untuned optimizers"

    def apply(self, run: advisor.Run) -> str:
        before = run.optimizer
        run.optimizer = lambda groups, lr, weight_decay: before(groups, 3 * lr, weight_decay)
        return "three times the learning rate"


@advisor.hookimpl
def slots() -> list[advisor.Slot]:
    return [advisor.Slot("speed", "how far a step goes")]


@advisor.hookimpl
def techniques() -> list[advisor.Technique]:
    return [Triple()]
