"""From what a user names (`FILE.py:NAME`, `package.module:NAME`) to a model with its constructor's
arguments.
"""

from __future__ import annotations

import inspect
import os
import traceback
from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any

from torch import nn

from advisor.errors import InputError, left_out_of, listing, near
from advisor.loading.files import load_object

# constructor arguments, without case and underscores, by the fact about the data that they ask for
_ASKS: dict[str, tuple[str, ...]] = {
    "features": (
        "infeatures", "inputdim", "indim", "nin", "nfeat", "nfeats", "nfeatures", "numfeatures", "numfeats", "inputsize",
        "insize", "numinputs", "ninputs", "ninput", "inputs", "ninp", "dimin", "dinput", "din",
        "inputfeatures", "features", "inputshape",
        "inputdims", "indims", "infeats", "ninfeatures", "numinputfeatures", "obsdim", "statedim", "xdim", "featuredim",
        "nx",
    ),
    "classes": (
        "numclasses", "nclasses", "nclass", "numclass", "outputdim", "outdim", "outfeatures", "outputsize", "outsize", "nout",
        "nouts", "numoutputs", "noutputs", "noutput", "outputs", "dimout", "doutput", "dout", "classes", "numlabels", "nlabels",
        "outputfeatures", "outputdims", "outdims", "numtargets", "ntargets", "classnum", "targetsize", "tagsetsize",
        "outputchannels", "ny", "actiondim", "c",
    ),
    "vocabulary": (
        "vocabsize", "ntoken", "ntokens", "numembeddings", "nvocab", "numvocab", "vocabularysize", "vocab", "nwords", "numwords",
        "numtokens", "vocablen", "embednum", "nembeddings", "dictsize", "inputvocabsize", "srcvocabsize", "v", "nvocabulary",
        "vocabulary",
    ),
    "channels": (
        "inchannels", "channels", "nchannels", "numchannels", "inputchannels", "inchans", "inch", "nc", "inplanes", "imgchannels",
        "imagechannels", "channelsin", "chin", "numinchannels", "ninchannels", "inputchannel", "inchannel", "colorchannels",
    ),
    "length": (
        "seqlen", "sequencelength", "seqlength", "length", "maxlen", "maxlength", "maxseqlen", "contextlength", "blocksize",
        "window",
    ),
    "height": ("height", "imgheight", "imageheight", "h", "imgsize", "imagesize", "imgdim", "imagedim", "resolution"),
    "width": ("width", "imgwidth", "imagewidth", "w"),
}  # fmt: skip
_FACTS = {name: fact for fact, names in _ASKS.items() for name in names}
_STAR = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def load_model(spec: str, definitions_only: bool = False) -> Callable[..., Any]:
    """The class or function named by `spec` that builds a model. Raises InputError if it is
    neither.

    With `definitions_only` the file's other top-level code is left out.
    """
    found = load_object(spec, "model", definitions_only=definitions_only)
    _check_factory(found, spec)
    return found  # type: ignore[no-any-return]  # callable, as checked


def build_model(
    build: Callable[..., Any], facts: Mapping[str, int], arguments: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """`build(**arguments)`, with required arguments that are missing inferred by name from `facts`,
    and all that was used.

    Facts known from the data: `features`, `classes`, `vocabulary`, `channels`, `length`, `height`,
        `width`.

    Raises InputError if an argument is missing and not inferable, or unknown; if `build` raises; if
    it returns no module.
    """
    _check_factory(build, repr(build) if not isinstance(build, nn.Module) else type(build).__name__)
    name = getattr(build, "__name__", type(build).__name__)
    used = {**arguments, **_inferred(build, name, facts, arguments)}
    what = f"{name}({', '.join(f'{key}={value!r}' for key, value in used.items())})"
    try:
        model = build(**used)
    except Exception as error:
        why = f"{type(error).__name__}{_raised_at(error)}: {str(error).rstrip('.')}{left_out_of(error)}"
        raise InputError(f"{what} raised {why}. {_advice(error, used)}") from error
    if not isinstance(model, nn.Module):
        raise InputError(
            f"{what} returned {type(model).__name__}, and a torch.nn.Module is needed; return the model."
        )
    return model, used


def _advice(error: Exception, used: Mapping[str, Any]) -> str:
    holder = getattr(error, "obj", None) if isinstance(error, AttributeError) else None
    for key, value in used.items():
        if isinstance(value, SimpleNamespace) and value is holder:
            return f"Give it with --model-arg {key}.{error.name}=VALUE."  # type: ignore[attr-defined]  # an AttributeError
    return (
        "Give its arguments with --model-arg NAME=VALUE, or pass a function that builds the model."
    )


def _check_factory(found: Any, what: str) -> None:
    if isinstance(found, nn.Module):
        raise InputError(
            f"{what} is a model ({type(found).__name__}), and every trial needs a fresh one; pass the class "
            f"{type(found).__name__}, or a function that returns a new model."
        )
    if not callable(found):
        raise InputError(
            f"{what} is {type(found).__name__}, and a class or function that returns a torch.nn.Module is needed."
        )


def _inferred(
    build: Callable[..., Any], name: str, facts: Mapping[str, int], given: Mapping[str, Any]
) -> dict[str, int]:
    try:
        parameters = inspect.signature(build).parameters
    except (TypeError, ValueError):  # a builtin
        return {}
    _check_known(name, parameters, given)
    found = {}
    for key, parameter in parameters.items():
        if key in given or parameter.default is not parameter.empty or parameter.kind in _STAR:
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY or (value := _fact(key, facts)) is None:
            raise InputError(
                f"{name} needs an argument {key!r} that cannot be told from the data; give it: --model-arg {key}=VALUE."
            )
        found[key] = value
    return found


def _check_known(
    name: str, parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]
) -> None:
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for key in given:
        if key not in parameters:
            raise InputError(
                f"{name} has no argument {key!r}.{near(key, parameters)} It has: {listing(parameters) or 'none'}."
            )


def _fact(argument: str, facts: Mapping[str, int]) -> int | None:
    fact = _FACTS.get(argument.replace("_", "").lower(), "")
    return facts.get(fact, facts.get("outputs") if fact == "classes" else None)


def _raised_at(error: Exception) -> str:
    call = traceback.extract_tb(error.__traceback__)[-1]
    return (
        f" at {os.path.basename(call.filename)}:{call.lineno}" if call.filename != __file__ else ""
    )
