"""Swapping activations: everything that is selected is swapped, nothing else, and nothing else changes."""

import copy
import io
import pickle

import pytest
import torch
import torch.nn.functional as F
from models import conv, custom, mixed, mlp, text, zoo
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from advisor.errors import InputError
from advisor.model import select, swap, trace

SWAPPABLE = {name: case for name, case in zoo.CASES.items() if case.hidden_calls}
CASES = pytest.mark.parametrize("case", SWAPPABLE.values(), ids=SWAPPABLE)
ORIGINALS = {  # the functions behind the examples' kinds, out of place
    "relu": torch.relu,
    "tanh": torch.tanh,
    "sigmoid": torch.sigmoid,
    "gelu": F.gelu,
    "silu": F.silu,
    "elu": F.elu,
    "custom:Log": lambda x: torch.sign(x) * torch.log1p(x.abs()),
    "custom:HSwish": lambda x: x * F.relu6(x + 3) / 6,
    "custom:swish": custom.swish,
    "custom:SwishFunction": custom.swish,
}


class Scale(nn.Module):
    """A trained activation that no model uses."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))

    def forward(self, x):
        return torch.asinh(self.scale * x)


def inverse_sine(x):
    return torch.asinh(x)


class Asinh(TorchDispatchMode):
    """Counts the kernels that no example runs by itself."""

    count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten.asinh.default
        return func(*args, **(kwargs or {}))


def kernels(model, inputs):
    with Asinh() as counter:
        tensor(model(*inputs))
    return counter.count


def tensor(result):
    return result[0] if isinstance(result, tuple) else result


def built(case):
    torch.manual_seed(0)
    model = case.build()
    return model, trace(model, case.inputs)


def output(model, case, seed=3):
    torch.manual_seed(seed)
    return tensor(model(*case.inputs))


def original(site):
    if site.kind == "leaky_relu":
        slope = 0.1 if "0.1" in site.place else 0.2
        return lambda x: F.leaky_relu(x, slope)
    return nn.PReLU() if site.kind == "prelu" else ORIGINALS[site.kind]


@CASES
@pytest.mark.parametrize("activation", [torch.asinh, inverse_sine, Scale], ids=["builtin", "function", "module"])
def test_as_many_kernels_run_as_there_were_hidden_calls(case, activation):
    model, found = built(case)
    if activation is Scale and any("[" in site.id for site in found.sites):
        pytest.skip("a trained activation is refused in a plain list")
    report = swap(model, found, lambda _: Scale() if activation is Scale else activation, inputs=case.inputs)
    reachable = case.hidden_calls - sum(site.calls for site, _ in report.refused)
    assert reachable == report.calls == kernels(model, case.inputs)
    model.eval()
    with torch.no_grad():
        assert kernels(model, case.inputs) == reachable


@CASES
def test_the_same_function_gives_the_same_bits(case):
    model, found = built(case)
    twin = copy.deepcopy(model)
    swap(model, found, original, inputs=case.inputs)
    assert torch.equal(output(model, case), output(twin, case))


@CASES
def test_keys_stay_and_weights_load(case):
    model, found = built(case)
    if any("[" in site.id for site in found.sites):
        pytest.skip("a trained activation is refused in a plain list")
    before = model.state_dict()
    keys = [key for key in before if not key.startswith("act.weight")]  # a trained activation takes its own away
    swap(model, found, lambda _: torch.asinh, inputs=case.inputs)
    assert list(model.state_dict()) == keys
    swap(model, trace(model, case.inputs), lambda _: Scale(), inputs=case.inputs)
    assert [key for key in model.state_dict() if not key.endswith(".scale")] == keys
    missing, unexpected = model.load_state_dict({key: before[key] for key in keys}, strict=False)
    assert not unexpected
    assert all(key.endswith(".scale") for key in missing)


@CASES
def test_a_trained_activation_is_among_the_parameters_and_gets_a_gradient(case):
    model, found = built(case)
    if any("[" in site.id for site in found.sites):
        pytest.skip("a trained activation is refused in a plain list")
    report = swap(model, found, lambda _: Scale(), inputs=case.inputs)
    output(model, case).square().sum().backward()
    scales = [parameter for name, parameter in model.named_parameters() if name.endswith("scale")]
    assert len(scales) == len(report.swapped)
    assert all(scale.grad is not None for scale in scales)


@CASES
@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))], ids=["copy", "pickle"])
@pytest.mark.parametrize("trained", [False, True])
def test_a_duplicate_keeps_the_swap(case, duplicate, trained):
    model, found = built(case)
    if any("[" in site.id for site in found.sites) and trained:
        pytest.skip("a trained activation is refused in a plain list")
    if case.build in (mlp.Normalized, custom.Lambda, mixed.Scripted):
        duplicate = copy.deepcopy  # these models cannot be pickled, swapped or not
    report = swap(model, found, lambda _: Scale() if trained else inverse_sine, inputs=case.inputs)
    twin = duplicate(model)
    assert kernels(twin, case.inputs) == kernels(model, case.inputs) == report.calls
    assert torch.equal(output(model, case), output(twin, case))
    with torch.no_grad():  # the copy owns its parameters
        for parameter in nn.Module.parameters(twin):
            parameter.add_(1.0)
    assert report.calls == 0 or not torch.equal(output(model, case), output(twin, case))


@CASES
def test_undo_restores_the_model(case):
    model, found = built(case)
    twin = copy.deepcopy(model)
    classes = [type(module) for module in model.modules()]
    report = swap(model, found, lambda _: Scale() if "[" not in found.sites[0].id else torch.asinh, inputs=case.inputs)
    report.undo()
    assert [type(module) for module in model.modules()] == classes
    assert list(model.state_dict()) == list(twin.state_dict())
    assert torch.equal(output(model, case), output(twin, case))
    assert trace(model, case.inputs).sites == found.sites


@CASES
def test_a_swapped_model_has_the_same_sites_and_can_be_swapped_again(case):
    model, found = built(case)
    swap(model, found, lambda _: torch.asinh, inputs=case.inputs)
    again = trace(model, case.inputs)
    assert {site.id for site in found.hidden} <= {site.id for site in again.sites} or case.build is mlp.SharedSigmoid
    swapped = [site for site in again.sites if site.id in {site.id for site in found.hidden}]
    report = swap(model, again, original_of(found), sites=swapped, inputs=case.inputs)
    assert kernels(model, case.inputs) == 0
    assert report.calls + sum(site.calls for site, _ in report.refused) == case.hidden_calls


def original_of(found):
    sites = {site.id: site for site in found.sites}
    return lambda site: original(sites[site.id])


def test_gates_scores_and_outputs_are_left_alone():
    for case in zoo.CASES.values():
        model, found = built(case)
        report = swap(model, found, lambda _: torch.asinh)
        assert {site.label for site in report.left} <= {"gate", "score", "output", "composite"}


def test_a_model_without_hidden_activations_is_left_as_it_is():
    model = text.LSTMClassifier(20, 3)
    report = swap(model, trace(model, (zoo.TOKENS,)), lambda _: torch.asinh, inputs=(zoo.TOKENS,))
    assert (report.swapped, report.calls, type(model)) == ([], 0, text.LSTMClassifier)


def test_the_summary_is_one_line():
    model = conv.SENet()
    report = swap(model, trace(model, (zoo.IMAGES,)), lambda _: torch.asinh, inputs=(zoo.IMAGES,))
    assert report.summary() == "swapped 2 sites (2 calls): act, se.act; left alone: 1 gate"


def test_the_factory_makes_one_activation_per_site():
    model = conv.ResNet()
    made = []
    swap(model, trace(model, (zoo.IMAGES,)), lambda site: made.append(site.id) or nn.PReLU(), inputs=(zoo.IMAGES,))
    assert made == ["relu", "layer1.relu", "layer2.relu"]
    assert len({id(m) for m in model.modules() if isinstance(m, nn.PReLU)}) == 3


def test_a_module_that_the_factory_gives_twice_is_copied():
    model = conv.ResNet()
    shared = nn.PReLU()
    report = swap(model, trace(model, (zoo.IMAGES,)), lambda _: shared, inputs=(zoo.IMAGES,))
    assert len({id(m) for m in model.modules() if isinstance(m, nn.PReLU)}) == len(report.swapped) == 3


@CASES
@pytest.mark.parametrize("activation", [lambda x: x, lambda x: 2 * x, nn.Identity()], ids=["same", "double", "module"])
def test_a_straight_line_can_take_the_place_of_an_activation(case, activation):
    model, found = built(case)
    report = swap(model, found, lambda _: activation, inputs=case.inputs)
    assert len(report.swapped) + len(report.refused) == len(found.hidden)
    output(model, case).sum().backward()


def test_chosen_sites_alone_are_swapped():
    model = conv.Net()
    found = trace(model, (zoo.DIGITS,))
    swap(model, found, lambda _: torch.asinh, sites=found.sites[1:2], inputs=(zoo.DIGITS,))
    assert kernels(model, (zoo.DIGITS,)) == 1
    assert [site.kind for site in trace(model, (zoo.DIGITS,)).sites] == ["relu", "asinh", "relu"]


def test_a_gate_is_swapped_if_asked_for():
    model = text.SwiGLU()
    found = trace(model, (zoo.ROWS,))
    swap(model, found, lambda _: torch.asinh, sites=select(found, include=["*"]), inputs=(zoo.ROWS,))
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
    code = "class Net(nn.Linear):\n    def forward(self, x):\n        return super().forward(F.relu(super().forward(x)))\n"
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
    with pytest.raises(InputError, match=r"1 of 1 sites still ran the old activation: act; .* Everything was undone"):
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
