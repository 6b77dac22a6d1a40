"""The model card and the pinned versions of an exported folder."""

from __future__ import annotations

from collections.abc import Iterator

from advisor import __version__
from advisor.errors import one_line
from advisor.exporting.measured import MeasuredArm
from advisor.exporting.scripts import ADVISOR, ScriptText
from advisor.readable import counted
from advisor.verdict.records import ESTIMAND, Verdict

MARKDOWN = str.maketrans({letter: f"\\{letter}" for letter in "\\`*_{}[]<>|#!"})
"""How letters are written that mean something in Markdown."""


def plain(text: object) -> str:
    """A text that Markdown shows as it is, on one line."""
    return one_line(str(text)).translate(MARKDOWN)


def card_of(arm: MeasuredArm, script: ScriptText, final: bool) -> str:
    """The card in Markdown: data, recipe, gain with its interval, seeds, limits."""
    answer = arm.recommendation
    parts = [
        f"# {plain(answer.study)}",
        "",
        f"Written by advisor {__version__} from the study {plain(answer.study)}. Verdict: "
        f"**{answer.verdict}**.",
        *section("Data", data_lines(arm, script)),
        *section("Recipe", recipe_lines_of(arm)),
        *section("Gain", gain_lines(arm)),
        *section("Weights", weight_lines(arm, final)),
        *section("Limits", limit_lines(arm, script)),
        *section("Use", use_lines()),
    ]
    return "\n".join(parts) + "\n"


def section(title: str, lines: Iterator[str]) -> list[str]:
    """A heading with points below it."""
    return ["", f"## {title}", "", *(f"- {line}" for line in lines)]


def data_lines(arm: MeasuredArm, script: ScriptText) -> Iterator[str]:
    """What it was trained on."""
    facts, splits = arm.prepared.facts, arm.splits
    yield f"{counted(facts.rows, 'row')} with a target"
    yield (
        f"measuring seed {arm.number}: {len(splits.train)} rows to train on, {len(splits.valid)} "
        f"held out, {len(splits.test)} test rows that no choice has seen"
    )
    target = script.fitted["target"]
    if target["column"]:
        yield f"target: {plain(target['column'])}"
    names = facts.classes or facts.labels
    if names:
        yield f"{'classes' if facts.classes else 'labels'}: {plain(', '.join(names[:30]))}"
    columns = [column["name"] for column in script.fitted.get("columns", ())]
    if columns:
        yield f"inputs: {plain(', '.join(columns[:60]))}"
    for note in arm.prepared.source.notes:
        yield plain(note)


def recipe_lines_of(arm: MeasuredArm) -> Iterator[str]:
    """How it was trained."""
    answer = arm.recommendation
    changed = [f"{slot}: {name}" for slot, name in answer.changed.items()]
    yield plain("; ".join(changed)) if changed else "the model as it was, without a change"
    for name, value in answer.params.items():
        yield (
            f"{plain(name)} = {value:g}"
            if isinstance(value, float)
            else f"{plain(name)} = {plain(value)}"
        )
    yield f"{counted(arm.epochs, 'epoch')}, {counted(arm.batch, 'row')} in a mini-batch"
    for note in arm.prepared.recipe.notes:
        yield plain(note)


def gain_lines(arm: MeasuredArm) -> Iterator[str]:
    """What was measured."""
    answer = arm.recommendation
    gain = answer.gain
    yield (
        f"{plain(answer.metric)} of the recommended model, mean over seeds: "
        f"{answer.recommended.mean:.6g}; of the model as it was: {answer.baseline.mean:.6g}"
    )
    what = "the gain" if answer.verdict == Verdict.CHANGE else "the gain of the best other arm"
    yield (
        f"{what} over the model as it was: {gain.mean:+.4g}, 95 % interval {gain.low:+.4g} to "
        f"{gain.high:+.4g} (higher is better)"
    )
    rows = f", {counted(gain.rows, 'row')} that measured" if gain.rows else ""
    yield f"{counted(gain.seeds, 'pair')} of seeds{rows}; evidence: {answer.evidence}"
    yield f"the gain is {ESTIMAND}"


def weight_lines(arm: MeasuredArm, final: bool) -> Iterator[str]:
    """What the files of weights are."""
    answer = arm.recommendation
    yield f"start.safetensors: before training, seed {arm.seed}"
    if final:
        yield (
            "model.safetensors: trained on all rows, so that nothing is left to score it; the gain "
            "above is that of models that were trained on fewer"
        )
    else:
        yield (
            f"model.safetensors: trained on measuring seed {arm.number} ({arm.seed}), the first "
            f"and not the luckiest; its {plain(answer.metric)} is {arm.score:.6g} on held-out rows"
            + (f", {arm.test:.6g} on test rows" if arm.test is not None else "")
        )


def limit_lines(arm: MeasuredArm, script: ScriptText) -> Iterator[str]:
    """What it is not good for, and what is to be known."""
    yield "one training is one draw: other seeds give other scores, as recommendation.json lists"
    yield "rows of another kind than those above were never measured"
    for warning in arm.recommendation.warnings:
        yield plain(warning)
    for reason in script.reasons:
        yield f"train.py imports advisor: {plain(reason)}"


def use_lines() -> Iterator[str]:
    """What to type."""
    yield "`pip install -r requirements.txt`"
    yield "`python train.py --check` trains the measuring seed again, and fails where it differs"
    yield "`python predict.py new.csv` gives predictions as CSV"


def requirements_of(script: ScriptText) -> str:
    """Pinned versions, one a line."""
    lines = []
    for name, number in sorted(script.versions.items()):
        wanted = number.partition("+")[0]
        lines.append(f"{name}=={wanted}")
    if ADVISOR in script.versions:
        lines.insert(0, "# torch-advisor: train.py says above what for")
    return "\n".join(lines) + "\n"
