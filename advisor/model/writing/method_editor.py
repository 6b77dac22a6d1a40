"""Edits the calls of activations in methods: `F.relu(x)` becomes `torch.asinh(x)`, or
`self.act_18(x)` with a line in the constructor.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sequence

from torch import nn

from advisor.errors import InputError
from advisor.model.anatomy import CallTarget, Site
from advisor.model.swapping.rewrite import Definition, End, argument_of, span_end
from advisor.model.swapping.subclass import find_method, method_of, original_class
from advisor.model.writing.constructor_lines import ConstructorLines
from advisor.model.writing.constructors import OriginError
from advisor.model.writing.source_change import Note, SourceChange
from advisor.model.writing.source_file import CHANGED, SourceFile
from advisor.model.writing.user_files import UserFiles
from advisor.model.writing.wording import Wording, keywords, local_names

Place = tuple[str, End]  # of a call: its file, and where it ends there


class MethodEditor:
    """Edits each place in the source once, however many sites run it."""

    def __init__(self, change: SourceChange, files: UserFiles) -> None:
        self._change = change
        self._files = files
        self._constructor_lines: dict[type, ConstructorLines] = {}

    def edit(self) -> Iterator[Note]:
        """Note the edits; yields the swapped sites that no edit can reach."""
        for sites in self._sites_by_place().values():
            swapped = [site for site in sites if self._change.is_swapped(site)]
            if not swapped:
                continue
            try:
                self._refuse_unlike(sites)
                self._edit_call(sites[0])
            except InputError as why:
                for site in swapped:
                    yield site.id, str(why)
        for lines in self._constructor_lines.values():
            lines.write()

    def _sites_by_place(self) -> dict[Place, list[Site]]:
        """The sites that are calls; those of several owners may share a place."""
        by_place: dict[Place, list[Site]] = {}
        for site in self._change.sites:
            target = site.target
            if isinstance(target, CallTarget):
                place = target.code.co_filename, span_end(target.span)
                by_place.setdefault(place, []).append(site)
        return by_place

    def _refuse_unlike(self, sites: Sequence[Site]) -> None:
        """Raise OriginError unless all sites at one place shall run the same activation."""
        for site in sites:
            if not self._change.is_swapped(site):
                raise OriginError(f"the same source runs at {site.id}, which keeps its activation")
        first = self._change.description(sites[0])
        if any(self._change.description(site) != first for site in sites):
            raise OriginError("the same source runs at other sites, with other activations")

    def _edit_call(self, site: Site) -> None:
        """Replace what stands before and after the argument of a call."""
        target = site.target
        assert isinstance(target, CallTarget)  # as _sites_by_place chose it
        cls = type(target.owner)
        depth, name = find_method(cls, target.code)
        klass = original_class(cls).__mro__[depth]
        file, method = self._files.definition(method_of(klass, name))
        call = file.call_ending_at(span_end(target.span))
        if call is None:
            raise OriginError(CHANGED)
        argument = argument_of(call, target.receiver)
        opening, closing = self._around_argument(site, target, file, klass, method)
        is_statement = isinstance(next(file.around(call)), ast.Expr)
        if is_statement and isinstance(argument, (ast.Name, ast.Attribute, ast.Subscript)):
            # It worked in place; a new activation may not, so its result is assigned.
            opening = f"{file.text(argument)} = {opening}"

        # Of two calls that begin at one place, the outer one comes first.
        outer_first = -file.end(call)
        file.replace(file.start(call), file.start(argument), opening, rank=outer_first)
        file.replace(file.end(argument), file.end(call), closing)

    def _around_argument(
        self, site: Site, target: CallTarget, file: SourceFile, klass: type, method: Definition
    ) -> tuple[str, str]:
        """What stands before and after the argument of the new call."""
        description = self._change.description(site)
        wording = Wording(file, local_names(method))
        if not description.is_class:
            name = wording.name(description.name)
            arguments = "".join(f", {written}" for written in keywords(description.arguments))
            return f"{name}(", f"{arguments})"
        if not description.state and not _depends_on_mode(description.build()):
            return f"{wording.constructor(description)}(", ")"

        # A module with parameters, or with a mode, is made once, in the constructor.
        lines = self._constructor_lines.setdefault(klass, ConstructorLines(self._files, klass))
        attribute = self._attribute(target)
        constructor = Wording(lines.file).constructor(description)
        lines.add(f"{lines.me}.{attribute} = {constructor}")
        return f"{method.args.args[0].arg}.{attribute}(", ")"

    def _attribute(self, target: CallTarget) -> str:
        """A name for the activation of a call: by its line, and by its column if need be."""
        owner, (line, _, column, _) = target.owner, target.span
        spans = set()
        for site in self._change.sites:
            if isinstance(site.target, CallTarget) and site.target.owner is owner:
                spans.add(site.target.span)
        on_this_line = [span for span in spans if span[0] == line]
        name = f"act_{line}"
        is_free = len(on_this_line) == 1 and not hasattr(owner, name)
        return name if is_free else f"{name}_{column}"


def _depends_on_mode(module: nn.Module) -> bool:
    """Whether a module or one inside it does something else in training."""
    for part in module.modules():
        forward = getattr(type(part), "forward", None)
        if forward is not None and "training" in forward.__code__.co_names:
            return True
    return False
