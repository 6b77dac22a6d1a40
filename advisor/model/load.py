"""From what a user names (`FILE.py:NAME`, `package.module:NAME`) to a model with its constructor's arguments."""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from pathlib import Path
from types import ModuleType
from typing import Any

from torch import nn

from advisor.errors import InputError, listing

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


# ---------------------------------------------------------------- import


def load_object(spec: str) -> Any:
    """The object that `FILE.py:NAME` or `package.module:NAME` names. The file's top-level code runs, next to its siblings.

    Raises InputError for a missing file or name, and where the import fails.
    """
    source, colon, name = spec.rpartition(":")
    if not colon or not source or not name:
        raise InputError(f"{spec!r} names no object: write FILE.py:NAME or package.module:NAME.")
    module = _import_file(Path(source)) if _is_file(source) else _import_module(source)
    found: Any = module
    for part in name.split("."):
        if not hasattr(found, part):
            raise InputError(_no_such_name(source, name, module))
        found = getattr(found, part)
    return found


def load_model(spec: str) -> Callable[..., Any]:
    """The class or function named by `spec` that builds a model. Raises InputError if it is neither."""
    found = load_object(spec)
    _check_factory(found, spec)
    return found  # type: ignore[no-any-return]  # callable, as checked


def _is_file(source: str) -> bool:
    return source.endswith(".py") or os.sep in source or Path(source).is_file()


def _import_file(path: Path) -> ModuleType:
    path = path.expanduser().resolve()
    if not path.is_file():
        near = get_close_matches(path.name, [other.name for other in path.parent.glob("*.py")], 1) if path.parent.is_dir() else []
        raise InputError(f"{path}: there is no such file." + (f" Did you mean {path.with_name(near[0])}?" if near else ""))
    name = _module_name(path)
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    if spec is None or spec.loader is None:
        raise InputError(f"{path} is not a Python file.")
    module = importlib.util.module_from_spec(spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[name] = module  # before it runs: pickle, dataclasses and inspect look it up
    try:
        spec.loader.exec_module(module)
    except BaseException as error:
        del sys.modules[name]
        if isinstance(error, (Exception, SystemExit)):
            raise _import_failed(path.name, str(path), error) from error
        raise
    return module


def _module_name(path: Path) -> str:
    """The file's own name, as its siblings would import it, unless another module has it."""
    taken = sys.modules.get(path.stem)
    if path.stem.isidentifier() and (getattr(taken, "__file__", None) == str(path) or _is_free(path)):
        return path.stem
    return f"{path.stem}_{hashlib.sha256(str(path).encode()).hexdigest()[:8]}"


def _is_free(path: Path) -> bool:
    if path.stem in sys.modules or path.stem in sys.stdlib_module_names:
        return False
    try:
        found = importlib.util.find_spec(path.stem)
    except (ImportError, ValueError):
        return False
    return found is None or found.origin == str(path)


def _import_module(name: str) -> ModuleType:
    if os.getcwd() not in sys.path:
        sys.path.insert(0, os.getcwd())  # as `python -m` does
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(error.name + ".")):
            text = f"There is no module {error.name!r} (from {name!r}); for a file, write its path: FILE.py:NAME."
            raise InputError(text) from error
        raise _import_failed(name, "", error) from error
    except (Exception, SystemExit) as error:
        raise _import_failed(name, "", error) from error


def _import_failed(what: str, filename: str, error: BaseException) -> InputError:
    lines = [call.lineno for call in traceback.extract_tb(error.__traceback__) if call.filename == filename]
    line = error.lineno if isinstance(error, SyntaxError) else (lines or [None])[-1]
    where = f" at line {line}" if line else ""
    return InputError(
        f"Importing {what} failed{where} ({type(error).__name__}: {error}). advisor runs the file's top-level code; put what "
        'downloads, trains or reads arguments under if __name__ == "__main__", and install what it imports.'
    )


def _no_such_name(source: str, name: str, module: ModuleType) -> str:
    own = [key for key, value in vars(module).items() if getattr(value, "__module__", "") == module.__name__]
    there = [key for key in own if callable(getattr(module, key))]
    near = get_close_matches(name, there, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    return f"{source} has no {name!r}.{hint} It has: {listing(there) or 'no class or function'}."


# ---------------------------------------------------------------- build


def build_model(
    build: Callable[..., Any], facts: Mapping[str, int], arguments: Mapping[str, Any]
) -> tuple[nn.Module, dict[str, Any]]:
    """`build(**arguments)`, with required arguments that are missing inferred by name from `facts`, and all that was used.

    Facts known from the data: `features`, `classes`, `vocabulary`, `channels`, `length`, `height`, `width`.

    Raises InputError if an argument is missing and not inferable, or unknown; if `build` raises; if it returns no module.
    """
    _check_factory(build, repr(build) if not isinstance(build, nn.Module) else type(build).__name__)
    name = getattr(build, "__name__", type(build).__name__)
    used = {**arguments, **_inferred(build, name, facts, arguments)}
    what = f"{name}({', '.join(f'{key}={value!r}' for key, value in used.items())})"
    try:
        model = build(**used)
    except Exception as error:
        raise InputError(f"{what} raised {type(error).__name__}{_raised_at(error)}: {error}. {_ADVICE}") from error
    if not isinstance(model, nn.Module):
        raise InputError(f"{what} returned {type(model).__name__}, and a torch.nn.Module is needed; return the model.")
    return model, used


_ADVICE = "Give its arguments with --model-arg NAME=VALUE, or pass a function that builds the model."


def _check_factory(found: Any, what: str) -> None:
    if isinstance(found, nn.Module):
        raise InputError(
            f"{what} is a model ({type(found).__name__}), and every trial needs a fresh one; pass the class "
            f"{type(found).__name__}, or a function that returns a new model."
        )
    if not callable(found):
        raise InputError(f"{what} is {type(found).__name__}, and a class or function that returns a torch.nn.Module is needed.")


def _inferred(build: Callable[..., Any], name: str, facts: Mapping[str, int], given: Mapping[str, Any]) -> dict[str, int]:
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


def _check_known(name: str, parameters: Mapping[str, inspect.Parameter], given: Mapping[str, Any]) -> None:
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters.values()):
        return
    for key in given:
        if key not in parameters:
            near = get_close_matches(key, parameters, 1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise InputError(f"{name} has no argument {key!r}.{hint} It has: {listing(parameters) or 'none'}.")


def _fact(argument: str, facts: Mapping[str, int]) -> int | None:
    plain = argument.replace("_", "").lower()
    return facts.get(_FACTS.get(plain, ""))


def _raised_at(error: Exception) -> str:
    call = traceback.extract_tb(error.__traceback__)[-1]
    return f" at {os.path.basename(call.filename)}:{call.lineno}" if call.filename != __file__ else ""
