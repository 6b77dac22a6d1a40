"""Swapping activations: everything that is selected is swapped, nothing else, and nothing else
changes.
"""

import copy
import gc
import io
import weakref
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from models import attention, conv, custom, mlp, mobile, text, zoo
from models.handling import Asinh, inverse_sine
from torch import nn

from advisor.errors import InputError
from advisor.loading.files import load_file
from advisor.model import select, swap, trace
from advisor.model.swapping.subclass import forget_rewritten_classes


def kernels(model, inputs):
    with Asinh() as counter:
        model(*inputs)
    return counter.count


def test_a_model_without_hidden_activations_is_left_as_it_is():
    model = text.LSTMClassifier(20, 3)
    report = swap(model, trace(model, (zoo.TOKENS,)), lambda _: torch.asinh, inputs=(zoo.TOKENS,))
    assert (report.swapped, report.calls, type(model)) == ([], 0, text.LSTMClassifier)


def test_the_summary_is_one_line():
    model = conv.SENet()
    report = swap(model, trace(model, (zoo.IMAGES,)), lambda _: torch.asinh, inputs=(zoo.IMAGES,))
    assert (
        report.summary() == "swapped 2 sites (2 calls): act, se.act; left alone: 1 gate (se.gate)"
    )


def test_the_factory_makes_one_activation_per_site():
    model = conv.ResNet()
    made = []
    swap(
        model,
        trace(model, (zoo.IMAGES,)),
        lambda site: made.append(site.id) or nn.PReLU(),
        inputs=(zoo.IMAGES,),
    )
    assert made == ["relu", "layer1.relu", "layer2.relu"]
    assert len({id(m) for m in model.modules() if isinstance(m, nn.PReLU)}) == 3


def test_a_module_that_the_factory_gives_twice_is_copied():
    model = conv.ResNet()
    shared = nn.PReLU()
    report = swap(model, trace(model, (zoo.IMAGES,)), lambda _: shared, inputs=(zoo.IMAGES,))
    assert (
        len({id(m) for m in model.modules() if isinstance(m, nn.PReLU)}) == len(report.swapped) == 3
    )


def test_chosen_sites_alone_are_swapped():
    model = conv.Net()
    found = trace(model, (zoo.DIGITS,))
    swap(model, found, lambda _: torch.asinh, sites=found.sites[1:2], inputs=(zoo.DIGITS,))
    assert kernels(model, (zoo.DIGITS,)) == 1
    assert [site.kind for site in trace(model, (zoo.DIGITS,)).sites] == ["relu", "asinh", "relu"]


def test_a_gate_is_swapped_if_asked_for():
    model = text.SwiGLU()
    found = trace(model, (zoo.ROWS,))
    swap(
        model, found, lambda _: torch.asinh, sites=select(found, include=["*"]), inputs=(zoo.ROWS,)
    )
    assert kernels(model, (zoo.ROWS,)) == 1


def test_a_trained_activation_in_a_plain_list_is_refused():
    model = mlp.InAList()
    report = swap(model, trace(model, (zoo.ROWS,)), lambda _: nn.PReLU(), inputs=(zoo.ROWS,))
    assert not report.swapped
    assert "stages[0][1] is kept in a plain Python list" in report.refused[0][1]


def test_a_call_inside_a_helper_is_refused_with_its_reason():
    model = custom.Helper()
    report = swap(model, trace(model, (zoo.ROWS,)), lambda _: torch.asinh, inputs=(zoo.ROWS,))
    assert "inside scaled(x, w)" in report.refused[0][1]
    assert "out of reach: custom.py:" in report.summary()


def test_a_class_without_source_is_refused():
    names = {"nn": nn, "F": F, "__name__": "nowhere"}
    code = "class Net(nn.Linear):\n    def forward(self, x):\n"
    code += "        return super().forward(F.relu(super().forward(x)))\n"
    exec(code, names)
    model = names["Net"](8, 8)
    report = swap(model, trace(model, (zoo.ROWS,)), lambda _: torch.asinh, inputs=(zoo.ROWS,))
    assert "No source for Net.forward" in report.refused[0][1]


def test_a_swap_that_does_not_hold_is_undone():
    class Stubborn(nn.Module):
        """Gets its activation from where nobody looks."""

        def __init__(self):
            super().__init__()
            self.a, self.b, act = nn.Linear(8, 8), nn.Linear(8, 2), nn.ReLU()
            self.act, self.get = act, lambda: act

        def forward(self, x):
            return self.b(self.get()(self.a(x)))

    model = Stubborn()
    with pytest.raises(
        InputError,
        match=r"1 of 1 sites still ran the old activation: act; .* Everything was undone",
    ):
        swap(model, trace(model, (zoo.ROWS,)), lambda _: torch.asinh, inputs=(zoo.ROWS,))
    assert isinstance(model.act, nn.ReLU)


def test_a_dropped_in_place_result_is_noticed():
    class InPlace(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.act = nn.Linear(8, 8), nn.Linear(8, 2), nn.ReLU(inplace=True)

        def forward(self, x):
            x = self.a(x)
            self.act(x)
            return self.b(x)

    model = InPlace()
    with pytest.raises(InputError, match="Assign the result"):
        swap(model, trace(model, (zoo.ROWS,)), lambda _: torch.asinh, inputs=(zoo.ROWS,))
    assert isinstance(model.act, nn.ReLU)


def test_a_transformer_in_evaluation_does_not_take_the_fast_path_around_the_swap():
    model = text.Transformer()
    swap(model, trace(model, (zoo.IMAGES,)), lambda _: torch.asinh, inputs=(zoo.IMAGES,))
    model.eval()
    with torch.inference_mode():
        assert kernels(model, (zoo.IMAGES,)) == 2


def test_a_checkpointed_model_has_true_gradients():
    torch.manual_seed(0)
    model = custom.Checkpointed()
    plain = copy.deepcopy(model)
    swap(model, trace(model, (zoo.ROWS,)), lambda _: inverse_sine, inputs=(zoo.ROWS,))
    model(zoo.ROWS).sum().backward()
    x = zoo.ROWS
    for lift in plain.lift:
        x = x + inverse_sine(lift(x))
    plain.head(x).sum().backward()
    for (name, one), two in zip(model.named_parameters(), plain.parameters(), strict=True):
        assert one.grad is two.grad is None or torch.equal(one.grad, two.grad), name


def test_equal_swaps_share_a_class():
    models = [conv.Net(), conv.Net()]
    for model in models:
        swap(model, trace(model, (zoo.DIGITS,)), lambda _: torch.asinh)
    assert type(models[0]) is type(models[1])
    assert issubclass(type(models[0]), conv.Net)


def test_the_class_of_a_swapped_model_waits_for_the_next_one_until_it_is_forgotten():
    def swapped_class():
        model = conv.Net()
        swap(model, trace(model, (zoo.DIGITS,)), lambda _: torch.asinh)
        return weakref.ref(type(model))

    forget_rewritten_classes()
    gc.collect()
    found = swapped_class()
    gc.collect()
    is_shared = found() is not None and found() is swapped_class()()
    assert is_shared
    forget_rewritten_classes()
    gc.collect()
    is_gone = found() is None
    assert is_gone


def test_a_saved_model_loads_with_torch():
    model = conv.ResNet()
    swap(model, trace(model, (zoo.IMAGES,)), lambda _: nn.ELU(), inputs=(zoo.IMAGES,))
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    twin = torch.load(file, weights_only=False)
    assert torch.equal(model.eval()(zoo.IMAGES), twin.eval()(zoo.IMAGES))


def test_new_activations_follow_train_and_eval():
    model = mlp.Functional()
    model.eval()
    swap(model, trace(model, (zoo.ROWS,)), lambda _: nn.RReLU(), inputs=(zoo.ROWS,))
    assert torch.equal(model(zoo.ROWS), model(zoo.ROWS))
    model.train()
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize("bounded", [nn.Tanh, nn.Sigmoid, nn.Softsign, lambda: torch.tanh])
def test_a_shared_module_before_a_gate_takes_a_bounded_activation(bounded):
    """One of its calls is then a gate by the rule, and the others are not."""
    model = mobile.EfficientNet()
    report = swap(model, trace(model, (zoo.IMAGES,)), lambda _: bounded(), inputs=(zoo.IMAGES,))
    assert report.calls == 7


def test_a_function_that_runs_a_module_outside_the_model_is_one_activation():
    model, act = mlp.MadeInForward(), nn.ELU()
    swap(model, trace(model, (zoo.ROWS,)), lambda _: act.forward, inputs=(zoo.ROWS,))
    assert [(site.kind, site.label) for site in trace(model, (zoo.ROWS,)).sites] == [
        ("elu", "hidden")
    ]


def test_a_copy_of_a_model_with_checkpoints_has_the_gradients_of_one_without():
    torch.manual_seed(0)
    model = attention.Llama()
    found = trace(model, (zoo.TOKENS,))
    swap(model, found, lambda _: inverse_sine, sites=found.sites, inputs=(zoo.TOKENS,))
    twin = copy.deepcopy(model).eval()  # without checkpoints
    model(zoo.TOKENS).sum().backward()
    twin(zoo.TOKENS).sum().backward()
    assert all(
        torch.equal(one.grad, two.grad)
        for one, two in zip(model.parameters(), twin.parameters(), strict=True)
    )


def test_a_swap_costs_microseconds_and_a_look_at_a_resnet_a_moment():
    """With slack for a busy machine; the figures are those of the benchmark."""
    benchmark = load_file(Path(__file__).parents[2] / "benchmarks" / "swap_overhead.py")
    assert sum(p.numel() for p in benchmark.resnet18().parameters()) > 11_000_000
    assert benchmark.seconds_to_select(rounds=2) < 0.9
    added = benchmark.overheads(rounds=40, calls=5)
    assert {
        site: time for site, time in added.items() if "unmodified" not in site and time > 12
    } == {}
