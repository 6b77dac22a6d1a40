"""Code objects: which globals they name, and their content as a text where there is no source."""

from __future__ import annotations

import dis
import sys
from collections.abc import Iterator
from types import CodeType

from advisor.content.syntax import Chain

# Flags that say how code is called and run; the others say how it was compiled.
_FLAGS = 0x3FF

# Set in the flags of a function with a docstring; before Python 3.13 there is no such flag.
_HAS_DOCSTRING = 0x4000000

_GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS")
_ATTRIBUTE = ("LOAD_ATTR", "LOAD_METHOD", "STORE_ATTR", "DELETE_ATTR")


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """A code object and those of the functions, classes and comprehensions written inside it."""
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from codes_in(constant)


def global_chains(code: CodeType) -> Iterator[Chain]:
    """The globals that code reads, with the attributes that it reads of them."""
    for each in codes_in(code):
        chain: Chain = ()
        for instruction in dis.get_instructions(each):
            kind = instruction.opname
            if kind == "EXTENDED_ARG":
                continue
            if chain and kind in _ATTRIBUTE:
                chain = (*chain, instruction.argval)
                continue
            if chain:
                yield chain
            chain = (instruction.argval,) if kind in _GLOBAL else ()


def content(code: CodeType) -> str:
    """What code does as a text, without its place, its name and its docstring."""
    constants = [_constant(constant) for constant in code.co_consts]
    if _has_docstring(code):
        constants[0] = "NoneType:None"
    parts = (
        (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount),
        code.co_flags & _FLAGS,
        code.co_code.hex(),
        (code.co_names, code.co_varnames, code.co_cellvars, code.co_freevars),
        constants,
    )
    return ascii(parts)


def _constant(value: object) -> str:
    """A constant of code, with its type."""
    if isinstance(value, CodeType):
        return content(value)
    if isinstance(value, frozenset):
        return f"frozenset:{sorted(map(_constant, value))}"
    if isinstance(value, tuple):
        return f"tuple:{[_constant(item) for item in value]}"
    text = hex(value) if type(value) is int else ascii(value)
    return f"{type(value).__name__}:{text}"


def _has_docstring(code: CodeType) -> bool:
    """Whether the first constant of code is its docstring."""
    if sys.version_info >= (3, 13):
        return bool(code.co_flags & _HAS_DOCSTRING)
    # The first constant of a `def` is its docstring or None.
    is_definition = not code.co_name.startswith("<") and bool(code.co_flags & 0x2)
    return is_definition and bool(code.co_consts) and isinstance(code.co_consts[0], str)
