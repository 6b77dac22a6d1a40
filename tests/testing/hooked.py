"""Techniques that hang into the training, as a user's plugin writes them."""

import math
from contextlib import contextmanager

import numpy
import torch
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import advisor


@advisor.hookimpl
def slots():
    return [
        advisor.Slot("average", "which weights are scored", after=("pretraining",)),
        advisor.Slot("rows", "what is done to rows", after=("pretraining",)),
        advisor.Slot("rate", "how the learning rate moves", after=("pretraining",)),
        advisor.Slot("noise", "what is added to weights", after=("pretraining",)),
    ]


class EMA(advisor.Technique):
    """The model is scored with a running mean of its weights."""

    name, slot, cite = "ema", "average", "Polyak & Juditsky 1992"
    space = {"decay": advisor.Float(0.5, 0.999, default=0.9)}

    def apply(self, run, decay=0.9):
        mean = AveragedModel(run.model, multi_avg_fn=get_ema_multi_avg_fn(decay), use_buffers=True)
        run.keep["mean"] = mean
        run.each_step.append(lambda step, epoch, optimizer: mean.update_parameters(run.model))

        @contextmanager
        def averaged():
            trained, run.model = run.model, mean.module
            try:
                yield
            finally:
                run.model = trained

        run.scored = averaged


class Mixup(advisor.Technique):
    """Rows are mixed in pairs, and so are their classes."""

    name, slot, cite = "mixup", "rows", "Zhang et al. 2018"
    space = {"alpha": advisor.Float(0.1, 2.0, default=0.2)}

    def unfit(self, run):
        reals = all(kind.startswith("float") for kind in run.data.facts.dtypes)
        is_fit = reals and run.objective.kind == "classification"
        return None if is_fit else "it mixes real numbers and classes"

    def apply(self, run, alpha=0.2):
        classes = run.data.facts.outputs

        def mixed(inputs, target, generator):
            order = torch.randperm(len(target), generator=generator)
            draw = numpy.random.default_rng(int(order.sum()) + generator.initial_seed())
            share = float(draw.beta(alpha, alpha))
            each = (*inputs, F.one_hot(target, classes).float())
            *inputs, target = (share * one + (1 - share) * one[order] for one in each)
            return tuple(inputs), target

        run.batch = mixed


class Cosine(advisor.Technique):
    """The learning rate falls to zero as half a wave."""

    name, slot, cite = "falling", "rate", "Loshchilov & Hutter 2017"

    def unfit(self, run):
        return run.lacks("steps", "each_step")

    def apply(self, run):
        def fall(step, epoch, optimizer):
            for group in optimizer.param_groups:
                first = group.setdefault("first_lr", group["lr"])
                group["lr"] = first * (1 + math.cos(math.pi * step / run.steps)) / 2

        run.each_step.append(fall)


class Langevin(advisor.Technique):
    """Every step adds a little noise to all weights."""

    name, slot, cite = "langevin", "noise", "Welling & Teh 2011"
    space = {"size": advisor.Float(1e-4, 1e-1, default=1e-3, log=True)}

    def apply(self, run, size=1e-3):
        @torch.no_grad()
        def shake(step, epoch, optimizer):
            for group in optimizer.param_groups:
                for parameter in group["params"]:
                    parameter.add_(torch.randn_like(parameter), alpha=size * group["lr"])

        run.each_step.append(shake)


@advisor.hookimpl
def techniques():
    return [EMA(), Mixup(), Cosine(), Langevin()]
