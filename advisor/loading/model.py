"""From what a user names (`FILE.py:NAME`, `package.module:NAME`) to a model with its constructor's
arguments.
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, NamedTuple
from weakref import WeakValueDictionary

from torch import nn

from advisor.errors import InputError, left_out_of, listing, near
from advisor.loading.files import load_object
from advisor.loading.script_values import script_values

# Constructor arguments that ask for a fact about the data, without case and underscores.
_ARGUMENT_NAMES: dict[str, tuple[str, ...]] = {
    "features": (
        "infeatures", "inputdim", "indim", "nin", "nfeat", "nfeats", "nfeatures", "numfeatures",
        "numfeats", "inputsize", "insize", "numinputs", "ninputs", "ninput", "inputs", "ninp",
        "dimin", "dinput", "din", "inputfeatures", "features", "inputshape", "inputdims", "indims",
        "infeats", "ninfeatures", "numinputfeatures", "obsdim", "statedim", "xdim", "featuredim",
        "nx",
    ),
    "classes": (
        "numclasses", "nclasses", "nclass", "numclass", "outputdim", "outdim", "outfeatures",
        "outputsize", "outsize", "nout", "nouts", "numoutputs", "noutputs", "noutput", "outputs",
        "dimout", "doutput", "dout", "classes", "numlabels", "nlabels", "outputfeatures",
        "outputdims", "outdims", "numtargets", "ntargets", "classnum", "targetsize", "tagsetsize",
        "outputchannels", "ny", "actiondim", "c",
    ),
    "vocabulary": (
        "vocabsize", "ntoken", "ntokens", "numembeddings", "nvocab", "numvocab", "vocabularysize",
        "vocab", "nwords", "numwords", "numtokens", "vocablen", "embednum", "nembeddings",
        "dictsize", "inputvocabsize", "srcvocabsize", "v", "nvocabulary", "vocabulary",
    ),
    "channels": (
        "inchannels", "channels", "nchannels", "numchannels", "inputchannels", "inchans", "inch",
        "nc", "inplanes", "imgchannels", "imagechannels", "channelsin", "chin", "numinchannels",
        "ninchannels", "inputchannel", "inchannel", "colorchannels",
    ),
    "length": (
        "seqlen", "sequencelength", "seqlength", "length", "maxlen", "maxlength", "maxseqlen",
        "contextlength", "blocksize", "window",
    ),
    "height": (
        "height", "imgheight", "imageheight", "h", "imgsize", "imagesize", "imgdim", "imagedim",
        "resolution",
    ),
    "width": ("width", "imgwidth", "imagewidth", "w"),
}  # fmt: skip

# The fact that an argument asks for, by the name of the argument.
_FACTS = {name: fact for fact, names in _ARGUMENT_NAMES.items() for name in names}

# The models that were built and are still there, by their ids.
_MADE: WeakValueDictionary[int, nn.Module] = WeakValueDictionary()

# Their parameters, likewise.
_WEIGHTS: WeakValueDictionary[int, nn.Parameter] = WeakValueDictionary()

# What a value is from that the data say.
FROM_DATA = "the data"

# Parameters that need not get an argument.
_STAR = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def load_model(spec: str, definitions_only: bool = False) -> Callable[..., Any]:
    """The class or function named by `spec` that builds a model. Raises InputError if it is
    neither.

    With `definitions_only` the file's other top-level code is left out.
    """
    build = load_object(spec, "model", definitions_only=definitions_only)
    _refuse_no_builder(build, spec)
    return build  # type: ignore[no-any-return]  # callable, as checked


def build_model(
    build: Callable[..., Any], facts: Mapping[str, int], arguments: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """`build(**arguments)`, with required arguments that are missing inferred by name from `facts`
    or from the script that has `build`, and all that was used.

    Facts known from the data: `features`, `classes`, `vocabulary`, `channels`, `length`, `height`,
        `width`.

    Raises InputError if an argument is missing and not inferable, or unknown; if `build` raises; if
    it returns no module.
    """
    kind = type(build).__name__
    _refuse_no_builder(build, kind if isinstance(build, nn.Module) else repr(build))
    name = getattr(build, "__name__", kind)
    used = dict(arguments)
    for key, inferred in inferred_arguments(build, facts, arguments).items():
        used[key] = inferred.value
    call = f"{name}({', '.join(f'{key}={value!r}' for key, value in used.items())})"
    try:
        model = build(**used)
    except Exception as error:
        text = str(error).rstrip(".") + left_out_of(error)
        why = f"{type(error).__name__}{_raised_at(error)}: {text}"
        raise InputError(f"{call} raised {why}. {_advice(error, used)}") from error
    if isinstance(model, nn.Module):
        if _MADE.get(id(model)) is model:
            raise InputError(
                f"{call} returned the same model again, and every trial needs a fresh one; build "
                "it inside the function."
            )
        _MADE[id(model)] = model
        _refuse_shared_weights(call, model)
        return model, used
    returned = f"{call} returned {type(model).__name__}"
    raise InputError(f"{returned}, and a torch.nn.Module is needed; return the model.")


def _refuse_shared_weights(call: str, model: nn.Module) -> None:
    """Raise InputError where a model trains a parameter of one that was built before."""
    for name, parameter in nn.Module.named_parameters(model):
        if parameter.requires_grad and _WEIGHTS.get(id(parameter)) is parameter:
            owner = name.rpartition(".")[0] or name
            raise InputError(
                f"{call} returned a model whose {owner} is that of the model before, and every "
                f"trial needs a fresh one; make {owner} inside the function, or a copy of it with "
                "copy.deepcopy()."
            )
    for _, parameter in nn.Module.named_parameters(model):
        _WEIGHTS[id(parameter)] = parameter


def _refuse_no_builder(build: Any, what: str) -> None:
    """Raise InputError unless something can be called to make a model."""
    kind = type(build).__name__
    if isinstance(build, nn.Module):
        raise InputError(
            f"{what} is a model ({kind}), and every trial needs a fresh one; "
            f"pass the class {kind}, or a function that returns a new model."
        )
    if not callable(build):
        raise InputError(
            f"{what} is {kind}, and a class or function that returns a torch.nn.Module is needed."
        )


class Inferred(NamedTuple):
    """The value of an argument that was not given, and what it is from: `the data`, or a place in
    the script.
    """

    value: Any
    origin: str


def inferred_arguments(
    build: Callable[..., Any], facts: Mapping[str, int], arguments: Mapping[str, Any]
) -> dict[str, Inferred]:
    """The required arguments of `build` that were not given: what the data say by the argument's
    name, else what the script says that has `build`.

    Raises InputError where an argument was given that there is not, and where some that are
    required are known from neither; the message names all of them.
    """
    name = getattr(build, "__name__", type(build).__name__)
    try:
        parameters = inspect.signature(build).parameters
    except (TypeError, ValueError):  # a builtin
        return {}
    _refuse_unknown(name, parameters, arguments)

    # The data go first: a script may have been written for others.
    required = [key for key in _required(parameters) if key not in arguments]
    inferred = {}
    for key in required:
        value = _fact_for(key, facts)
        if value is not None:
            inferred[key] = Inferred(value, FROM_DATA)
    unknown = [key for key in required if key not in inferred]
    for key, found in script_values(build, unknown).items():
        inferred[key] = Inferred(*found)

    # What is passed by position alone cannot be given by name.
    missing = [key for key in required if key not in inferred]
    for key in inferred:
        if parameters[key].kind is inspect.Parameter.POSITIONAL_ONLY:
            missing.append(key)
    _refuse_missing(name, missing)
    return inferred


def _required(parameters: Mapping[str, inspect.Parameter]) -> list[str]:
    """The names of the parameters that must get an argument."""
    required = []
    for key, parameter in parameters.items():
        if parameter.default is parameter.empty and parameter.kind not in _STAR:
            required.append(key)
    return required


def _refuse_missing(name: str, missing: list[str]) -> None:
    """Raise InputError where arguments are missing, with all of them."""
    if missing:
        what = "an argument" if len(missing) == 1 else "arguments"
        give = " ".join(f"--model-arg {key}=VALUE" for key in missing)
        raise InputError(
            f"{name} needs {what} {listing(map(repr, missing))} that cannot be inferred from the "
            f"data, and that its file does not say; give: {give}"
        )


def _refuse_unknown(
    name: str, parameters: Mapping[str, inspect.Parameter], arguments: Mapping[str, Any]
) -> None:
    """Raise InputError where an argument was given that a constructor does not have."""
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for key in arguments:
        if key not in parameters:
            has = listing(parameters) or "none"
            raise InputError(
                f"{name} has no argument {key!r}.{near(key, parameters)} It has: {has}."
            )


def _fact_for(argument: str, facts: Mapping[str, int]) -> int | None:
    """The number that an argument asks for, by its name."""
    fact = _FACTS.get(argument.replace("_", "").lower(), "")
    if fact == "classes":  # in a regression there are none, and the model gives its targets
        return facts.get(fact, facts.get("outputs"))
    return facts.get(fact)


def _advice(error: Exception, used: Mapping[str, Any]) -> str:
    """What to do about a constructor that raised."""
    if isinstance(error, AttributeError):
        for key, value in used.items():
            if isinstance(value, SimpleNamespace) and value is error.obj:
                return f"Give it with --model-arg {key}.{error.name}=VALUE."
    return (
        "Give its arguments with --model-arg NAME=VALUE, or pass a function that builds the model."
    )


def _raised_at(error: Exception) -> str:
    """` at FILE:LINE`, or nothing where the call itself did not fit."""
    call = traceback.extract_tb(error.__traceback__)[-1]
    if call.filename == __file__:
        return ""
    return f" at {os.path.basename(call.filename)}:{call.lineno}"
