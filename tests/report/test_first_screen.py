"""The first screen of each kind of answer, as a newcomer reads it in ten seconds."""

from __future__ import annotations

from dataclasses import replace

import pytest
from answers import GAIN, answer

from advisor.comparing.comparison import Comparison, Sameness, SideGain, SideResult
from advisor.report.first_screen import LINES, lines_of_screen
from advisor.report.first_screens import screen_of_comparison, screen_of_study
from advisor.report.study_text import show_recommendation
from advisor.verdict.records import Evidence, RowGain, Verdict

OPEN_GAIN = replace(GAIN, mean=0.006, low=-0.004, high=0.016, needed=42, needed_rows=3100)
WORSE_GAIN = replace(GAIN, mean=-0.02, low=-0.03, high=-0.01)
SAME_GAIN = replace(GAIN, mean=0.001, low=-0.002, high=0.004)
FAINT_GAIN = replace(GAIN, mean=-0.003, low=-0.009, high=0.003)
ALONE = replace(GAIN, mean=0.0, low=0.0, high=0.0, arm={}, test=None, least=None)
BROKEN = replace(GAIN, mean=0.001, low=-0.01, high=0.012, least=-0.014, seeds=11, left_out=9)
LONG = {f"a_slot_of_a_plugin_{i}": f"a_technique_of_a_plugin_{i}" for i in range(6)}
MIND = ["A column tells the target.", *[f"Warning {i} is quite long and says much." for i in "abc"]]
ENOUGH = "between -0.4 and +1.6 (95 % sure; worth a change from +0.5); 20 paired seeds, 900 rows."

ANSWERS = {
    "better": (
        answer(Evidence.BETTER, "change"),
        "Make this change: +2.1 points of accuracy (your model: 94.0 %), at least +0.8 (99.2 % sure); "
        "20 paired seeds, 900 rows.",
    ),
    "worse": (
        answer(Evidence.WORSE, gain=WORSE_GAIN),
        "Change nothing: activation=selu (the best of what was tried) is worse: -2.0 points of "
        "accuracy (your model: 94.0 %), between -3.0 and -1.0 (95 % sure); ",
    ),
    "equivalent": (
        answer(Evidence.EQUIVALENT, gain=SAME_GAIN),
        "Change nothing: activation=selu (the best of what was tried) makes no difference worth a "
        "change: +0.10 points of accuracy (your model: 94.00 %), between -0.20 and +0.40 (95 % sure; ",
    ),
    "not better": (
        answer(Evidence.NOT_BETTER, gain=FAINT_GAIN),
        "Change nothing: activation=selu (the best of what was tried) shows no gain that is worth "
        "a change: -0.30 points of accuracy",
    ),
    "open": (
        answer(Evidence.OPEN, "undecided", OPEN_GAIN),
        "Keep your model for now: activation=selu (the best of what was tried) may be worth a "
        "change, or not, which is not known yet: +0.6 points of accuracy (your model: 94.0 %), "
        + ENOUGH,
    ),
    "contradicted": (
        answer(Evidence.OPEN, "undecided", replace(OPEN_GAIN, rest=-0.03, conflict=0.002)),
        "Keep your model for now: test rows and other rows contradict each other on "
        "activation=selu",
    ),
    "alone": (
        answer(Evidence.EQUIVALENT, gain=ALONE),
        "Change nothing: there was nothing to compare your model with.",
    ),
    "identical": (
        answer(Evidence.EQUIVALENT, gain=replace(SAME_GAIN, identical=True)),
        "computes the same as your model.",
    ),
    "sounder": (
        answer(Evidence.BETTER, "change", replace(BROKEN, broken=[9, 0])),
        "Make this change: your model broke in 9 of 20 trainings, activation=selu (the best of "
        "what was tried) in 0, more than chance explains. Where neither broke: ",
    ),
    "less sound": (
        answer(Evidence.WORSE, gain=replace(BROKEN, broken=[0, 9])),
        "Change nothing: your model broke in 0 of 20 trainings, activation=selu (the best of what "
        "was tried) in 9, more than chance explains.",
    ),
    "unmeasured": (
        answer(Evidence.OPEN, "undecided", replace(ALONE, broken=[0, 9])),
        "Keep your model for now: the other model broke too often to be measured.",
    ),
    "of version 0.1": (answer(None, gain=FAINT_GAIN), "Change nothing: activation=selu"),
}


def said(screen, width=80):
    return " ".join(" ".join(lines_of_screen(screen, width)).split())


@pytest.mark.parametrize("kind", ANSWERS)
def test_each_answer_says_in_a_sentence_what_to_do_and_how_sure_it_is(kind):
    found, words = ANSWERS[kind]
    assert words in said(screen_of_study(found))


@pytest.mark.parametrize("width", [40, 60, 80, 160])
@pytest.mark.parametrize("kind", ANSWERS)
def test_a_first_screen_has_at_most_16_lines_that_are_no_wider_than_the_screen(kind, width):
    found, _ = ANSWERS[kind]
    code = ["import advisor", "model = " + "very_long_name(" * 9, "x = 1  # " + "why? " * 9 + "so"]
    long = replace(found, warnings=MIND * 3, apply_with=code)
    longer = replace(long, study="study" * 40, gain=replace(found.gain, arm=LONG))
    for each in (found, replace(found, warnings=MIND), long, longer):
        lines = lines_of_screen(screen_of_study(each), width)
        shown = [line[i : i + width] for line in lines for i in range(0, len(line), width)]
        assert len(shown) <= LINES
        assert lines == [line.rstrip() for line in lines], "a pipe gets no blanks"
        assert all(len(line) <= width for line in lines if line[10:] not in code)


def test_what_can_be_undecided_says_what_to_do_next():
    assert "next your command again with --seeds 42, or about 3,100 rows to measure on" in said(
        screen_of_study(answer(Evidence.OPEN, "undecided", OPEN_GAIN))
    )
    never = replace(OPEN_GAIN, needed=None, needed_rows=None)
    screen = screen_of_study(answer(Evidence.OPEN, "undecided", never))
    assert (
        "next nothing practical: the gain is small beside the noise of these seeds and rows"
        in said(screen)
    )
    assert screen_of_study(answer(Evidence.BETTER, "change")).next == ""


def test_what_is_open_though_its_interval_is_above_zero_says_what_a_change_needs():
    gain = replace(OPEN_GAIN, low=0.001, high=0.011, least=-0.001)
    text = said(screen_of_study(answer(Evidence.OPEN, "undecided", gain)))
    assert "between +0.10 and +1.10 (95 % sure; a change needs 99.2 %; worth" in text


def test_a_command_is_whole_or_not_there():
    long = replace(answer(Evidence.BETTER, "change", warnings=MIND * 9), study="a" * 60)
    text = said(screen_of_study(long), 60)
    assert text.endswith(": the same command with --why")
    few = replace(long, warnings=[])
    assert f"advisor show {'a' * 60} --why" in said(screen_of_study(few), 160)


def test_the_first_warnings_are_shown_and_the_others_counted():
    few = answer(Evidence.BETTER, "change", warnings=MIND[:2])
    assert f"mind {MIND[0]} {MIND[1]} more advisor show digits --why" in said(screen_of_study(few))
    many = answer(Evidence.BETTER, "change", warnings=MIND * 5)
    text = said(screen_of_study(many))
    assert f"mind {MIND[0]} {MIND[1]}" in text
    assert "more warnings: advisor show digits --why" in text


def test_code_that_has_no_room_loses_its_remarks_and_then_stands_behind_a_command():
    code = ["import advisor  # " + "in that folder " * 20, "# or else", "best = advisor.f()"]
    found = answer(Evidence.BETTER, "change", apply_with=code, warnings=MIND)
    assert "apply import advisor best = advisor.f() cost" in said(screen_of_study(found), 40)
    long = replace(found, study="two words", apply_with=["x = " + "1 + " * 300])
    assert "apply advisor show 'two words' --apply cost" in said(screen_of_study(long), 60)


@pytest.mark.parametrize(
    ("metric", "direction", "scores", "words"),
    [
        ("r2", "maximize", (0.41, 0.43), "+0.021 in r2 (your model: 0.410), at least +0.008 ("),
        (
            "loss",
            "minimize",
            (0.41, 0.39),
            "+0.021 in loss (your model: 0.410; lower is better), at least +0.008 (",
        ),
        ("accuracy", "maximize", (41.0, 43.0), "+0.021 in accuracy (your model: 41.000), at least"),
    ],
)
def test_a_gain_is_in_points_for_shares_and_else_in_units_of_the_metric(
    metric, direction, scores, words
):
    found = answer(Evidence.BETTER, "change")
    own = replace(found.baseline, mean=scores[0], scores=[scores[0]] * 3)
    other = replace(found.recommended, mean=scores[1], scores=[scores[1]] * 3)
    found = replace(found, metric=metric, direction=direction, baseline=own, recommended=other)
    assert words in said(screen_of_study(found))


def test_rows_of_the_test_alone_are_called_so():
    test = RowGain(0.024, 0.010, 0.038, rows=360, groups=8)
    gain = replace(GAIN, rows=360, test=test)
    text = said(screen_of_study(answer(Evidence.BETTER, "change", gain)))
    assert "20 paired seeds, 360 test rows of 8 groups." in text
    text = said(screen_of_study(answer(Evidence.BETTER, "change", replace(gain, rows=0))))
    assert "20 paired seeds, new seeds only, not new rows." in text


def test_a_terminal_without_a_width_has_80_columns_and_the_surroundings_may_say_another(
    capsys, monkeypatch
):
    found = answer(Evidence.OPEN, "undecided", OPEN_GAIN)
    monkeypatch.delenv("COLUMNS", raising=False)
    for columns in (80, 60):
        show_recommendation(found)
        lines = capsys.readouterr().out.splitlines()
        assert columns - 12 < max(map(len, lines)) <= columns
        assert lines == lines_of_screen(screen_of_study(found), columns)
        monkeypatch.setenv("COLUMNS", "60")


def compared(evidence, verdict, **gain):
    numbers = {"mean": 0.02, "low": 0.01, "high": 0.03, "p": 0.001, "seeds": 20, "rows": 900}
    more = {"least": 0.008, "level": 0.99, **gain}
    about = SideGain(label="new.py:Net", evidence=evidence, verdict=verdict, **{**numbers, **more})
    lesser = replace(about, label="third.py:Net", evidence=Evidence.WORSE, mean=-0.5)
    sides = [
        SideResult(name, {}, {}, 9, 32, size, seconds, [mean] * 20, mean)
        for name, size, seconds, mean in (
            ("old.py:Net", 42, 1.0, 0.94),
            ("new.py:Net", 82, 2.0, 0.96),
            ("third.py:Net", 42, 1.0, 0.44),
        )
    ]
    return Comparison(
        "nets", "accuracy", "maximize", verdict, evidence, 0.005, sides, [about, lesser]
    )


@pytest.mark.parametrize(
    ("evidence", "verdict", "gain", "words"),
    [
        (
            Evidence.BETTER,
            Verdict.CHANGE,
            {},
            "Take new.py:Net: +2.0 points of accuracy (old.py:Net: 94.0 %), at least +0.8 (99 % "
            "sure); 20 paired seeds, 900 rows. change old.py:Net → new.py:Net cost 2 s a training "
            "(9 epochs) instead of 1 s; 82 parameters instead of 42 also third.py:Net is worse",
        ),
        (
            Evidence.OPEN,
            Verdict.UNDECIDED,
            {"low": -0.01, "needed": 40},
            "Stay with old.py:Net for now: new.py:Net may be worth a change, or not,",
        ),
        (
            Evidence.EQUIVALENT,
            Verdict.KEEP,
            {"identical": Sameness.NUMBERS, "mean": 0.0, "low": 0.0, "high": 0.0},
            "Stay with old.py:Net: new.py:Net computes the same as old.py:Net.",
        ),
    ],
)
def test_a_comparison_has_a_first_screen_of_the_same_kind(evidence, verdict, gain, words):
    screen = screen_of_comparison(compared(evidence, verdict, **gain))
    assert words in said(screen)
    for width in (60, 80, 160):
        assert len(lines_of_screen(screen, width)) <= LINES
