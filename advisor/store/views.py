"""The views that people query: Optuna's tables and advisor's, with labels instead of indexes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SCHEMA: dict[str, tuple[str, dict[str, str]]] = {
    "advisor_studies": (
        "one row per study",
        {
            "study": "name",
            "verdict": "change, keep or undecided; NULL until there is a recommendation",
            "evidence": "what the last answer shows: better, worse, equivalent, not_better or open;"
            " NULL without one, and before 0.3",
            "trials": "search trials that have ended",
            "complete": "of these, trained to the last epoch",
            "pruned": "of these, stopped early",
            "failed": "of these, a technique raised an error",
            "best": "best score of the search on the validation rows (not the confirmed one)",
            "metric": "what score measures",
            "direction": "maximize or minimize",
            "seconds": "time spent on search and confirmation",
            "created": "when the study began (UTC)",
        },
    ),
    "advisor_trials": (
        "one row per search trial",
        {
            "study": "name of the study",
            "number": "trial number, from 0 (the model as it is)",
            "state": "COMPLETE, PRUNED, FAIL, RUNNING",
            "score": "mean validation metric of the last epochs that were trained",
            "seconds": "techniques and training",
            "stage": "open (each technique alone), join (in pairs), fair (equally many trials "
            "each), explore, tune (leaders)",
            "why": "why it was stopped or failed",
            "<slot>": "technique in that slot, one column per slot of the built-in plugins",
        },
    ),
    "advisor_choices": (
        "one row per trial and slot, also for slots of other plugins",
        {
            "study": "name of the study",
            "number": "trial number",
            "slot": "slot",
            "technique": "the technique in it",
        },
    ),
    "advisor_params": (
        "one row per trial and parameter",
        {
            "study": "name of the study",
            "number": "trial number",
            "name": "training.lr, training.weight_decay or slot.technique.parameter",
            "value": "number, or the label of a choice",
        },
    ),
    "advisor_curves": (
        "one row per trial and epoch",
        {
            "study": "name of the study",
            "number": "trial number",
            "epoch": "from 1",
            "score": "validation metric after the epoch",
            "loss": "mean training loss in the epoch; with a training loop of your own the loss on "
            "the first validation rows",
            "seconds": "time of the epoch",
            "early_loss": "mean training loss just before step 20, in the epoch that holds it",
        },
    ),
    "advisor_costs": (
        "one row per trial and part of its work",
        {
            "study": "name of the study",
            "number": "trial number",
            "part": "a slot, training, or look (the check of the changed model before training)",
            "seconds": "time it took",
        },
    ),
    "advisor_confirmations": (
        "one row per arm and fresh seed",
        {
            "study": "name of the study",
            "phase": "choose (which arm) or measure (its gain); before 0.3 select or estimate",
            "arm": "what is changed, as slot=technique, or keep",
            "seed": "fresh seed; the same seed is paired over arms",
            "score": "validation metric; NULL where the training broke",
            "test": "test metric, of the seeds that measure; NULL for other seeds",
            "seconds": "techniques and training",
            "params": "parameters as JSON",
            "why": "why the training, or the scoring of the test rows, broke; else NULL",
        },
    ),
    "advisor_measured_rows": (
        "one row per arm, measuring seed and set of rows; more pairs go on from it",
        {
            "study": "name of the study or comparison",
            "arm": "what is changed, as in advisor_confirmations",
            "params": "parameters as JSON",
            "seed": "fresh seed",
            "part": "test, or held out (the rows that this seed did not train on)",
            "total": "rows that the numbers can name: the last that was measured, and those before",
            "measured": "how many rows were measured",
            "numbers": "which: a bit for each row, the first in the highest bit; zlib",
            "dtype": "how a number of added is written: <f8 is a double, lowest byte first",
            "added": "what each measured row adds to the score, in their order; zlib",
        },
    ),
    "advisor_deaths": (
        "one row per job that is not done and over which a worker process died",
        {
            "study": "name of the study",
            "job": "trial NUMBER, or a fresh seed",
            "deaths": "how often; at the third the trial has failed",
            "why": "how the last one died",
        },
    ),
    "advisor_comparisons": (
        "one row per comparison, whose trainings are in advisor_confirmations under its name",
        {
            "study": "name of the comparison",
            "created": "when it began (UTC)",
            "metric": "what score measures",
            "direction": "maximize or minimize",
            "plan": "what is compared, as JSON",
            "seconds": "time spent",
            "answered": "when it was answered (UTC); NULL until then",
            "verdict": "change, keep or undecided; NULL until there is an answer",
            "evidence": "better, worse, equivalent, not_better or open",
            "json": "the whole answer, as advisor show --json prints it",
        },
    ),
    "advisor_verdicts": (
        "one row per verdict that some rows have given; it stays when its study is deleted",
        {
            "rows": "digest of the rows that may be measured",
            "question": "digest of what was asked; asked again it is the same verdict",
            "place": "the how-manieth verdict of these rows it is, from 1",
            "name": "name of the study or comparison",
            "evidence": "better, worse, equivalent, not_better or open",
            "created": "when (UTC)",
        },
    ),
    "advisor_recommendations": (
        "one row per recommendation that was given; the last one counts",
        {
            "study": "name of the study",
            "created": "when (UTC)",
            "verdict": "change, keep or undecided",
            "evidence": "better, worse, equivalent, not_better or open; NULL before 0.3",
            "json": "the whole recommendation, as advisor show --json prints it",
        },
    ),
}
"""What `advisor query --schema` prints: view or table, what a row is, and its columns with their
meaning. The column `<slot>` stands for one column per slot.
"""


@dataclass(frozen=True)
class Dialect:
    """What the databases write differently, as SQL.

    Attributes:
        label: the label of a categorical parameter `p`, which Optuna keeps as an index.
        is_choice: whether the parameter `p` is categorical.
        attribute: the value of a trial's user attribute `a`, which Optuna keeps as JSON.
        number: the type to which a numeric parameter is cast.
    """

    label: str
    is_choice: str
    attribute: str
    number: str


_DIALECTS = {
    "sqlite": Dialect(
        # What is no JSON has no value here, so that one damaged row does not hide the others.
        label="CASE WHEN json_valid(p.distribution_json) THEN json_extract(p.distribution_json, "
        "'$.attributes.choices[' || CAST(p.param_value AS INTEGER) || ']') END",
        is_choice="json_valid(p.distribution_json) AND "
        "json_extract(p.distribution_json, '$.name') = 'CategoricalDistribution'",
        attribute="CASE WHEN json_valid(a.value_json) THEN json_extract(a.value_json, '$') END",
        number="REAL",
    ),
    # A column of PostgreSQL has one type, so numbers stand as text beside labels.
    "postgresql": Dialect(
        label="((p.distribution_json::json) -> 'attributes' -> 'choices' "
        "->> CAST(p.param_value AS INTEGER))",
        is_choice="((p.distribution_json::json) ->> 'name') = 'CategoricalDistribution'",
        attribute="a.value_json::json #>> '{}'",
        number="TEXT",
    ),
}

_TRIALS = """trials t
JOIN studies s ON s.study_id = t.study_id
JOIN advisor_plans r ON r.study = s.study_name"""
"""Trials of advisor's studies; other Optuna studies may be in the same database."""

# A parameter with a dot in its name is a number; one without is a slot.
_CHOICES = """
SELECT s.study_name AS study, t.number AS number, p.param_name AS slot, {label} AS technique
FROM {trials} JOIN trial_params p ON p.trial_id = t.trial_id
WHERE p.param_name NOT LIKE '%.%'"""

_PARAMS = """
SELECT s.study_name AS study, t.number AS number, p.param_name AS name,
  CASE WHEN {is_choice}
    THEN CAST({label} AS TEXT)
    ELSE CAST(p.param_value AS {number})
  END AS value
FROM {trials} JOIN trial_params p ON p.trial_id = t.trial_id
WHERE p.param_name LIKE '%.%'"""

# Optuna keeps an infinite score as a type without a number; here it has no score.
_SEARCH_TRIALS = """
SELECT s.study_name AS study, t.number AS number, CAST(t.state AS TEXT) AS state, v.value AS score,
  (SELECT SUM(c.seconds) FROM advisor_costs c
   WHERE c.study = s.study_name AND c.number = t.number) AS seconds,
  {stage} AS stage, {why} AS why{slots}
FROM {trials}
LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.value_type = 'FINITE'"""

# A trial that has no such attribute has NULL there.
_ATTRIBUTE = """
  (SELECT {attribute} FROM trial_user_attributes a
   WHERE a.trial_id = t.trial_id AND a.key = '{key}')"""

# One for each slot of the built-in plugins; slots of others are rows of `advisor_choices`. A row is
# found by the trial's own id, so that the time grows with the trials and not with their square.
_SLOT_COLUMN = """,
  (SELECT {label} FROM trial_params p
   WHERE p.trial_id = t.trial_id AND p.param_name = '{slot}') AS \"{slot}\""""

# A study is there from its plan on, before it has trials or a recommendation.
_STUDIES = """
SELECT r.study AS study,
  (SELECT a.verdict FROM advisor_recommendations a
   WHERE a.study = r.study ORDER BY a.created DESC LIMIT 1) AS verdict,
  (SELECT a.evidence FROM advisor_recommendations a
   WHERE a.study = r.study ORDER BY a.created DESC LIMIT 1) AS evidence,
  (SELECT COUNT(*) FROM advisor_trials t
   WHERE t.study = r.study AND t.state <> 'RUNNING') AS trials,
  (SELECT COUNT(*) FROM advisor_trials t
   WHERE t.study = r.study AND t.state = 'COMPLETE') AS complete,
  (SELECT COUNT(*) FROM advisor_trials t
   WHERE t.study = r.study AND t.state = 'PRUNED') AS pruned,
  (SELECT COUNT(*) FROM advisor_trials t
   WHERE t.study = r.study AND t.state = 'FAIL') AS failed,
  (SELECT CASE WHEN r.direction = 'maximize' THEN MAX(t.score) ELSE MIN(t.score) END
   FROM advisor_trials t WHERE t.study = r.study AND t.state = 'COMPLETE') AS best,
  r.metric AS metric, r.direction AS direction, r.seconds AS seconds, r.created AS created
FROM advisor_plans r"""


def statements(dialect: str, slots: Sequence[str]) -> list[str]:
    """SQL that makes the views anew, in the order in which it must run.

    `dialect` is SQLAlchemy's name of the kind of database. `advisor_trials` gets one column for
    each name in `slots`.
    """
    # What differs between databases is filled into the queries.
    words = _DIALECTS[dialect]
    parameter = {"label": words.label, "is_choice": words.is_choice, "number": words.number}
    trial = {
        "stage": _ATTRIBUTE.format(attribute=words.attribute, key="stage"),
        "why": _ATTRIBUTE.format(attribute=words.attribute, key="why"),
        "slots": "".join(_SLOT_COLUMN.format(slot=slot, label=words.label) for slot in slots),
    }

    # Later views read earlier ones, so they are dropped from the last to the first.
    views = {
        "advisor_choices": _CHOICES.format(trials=_TRIALS, **parameter),
        "advisor_params": _PARAMS.format(trials=_TRIALS, **parameter),
        "advisor_trials": _SEARCH_TRIALS.format(trials=_TRIALS, **trial),
        "advisor_studies": _STUDIES,
    }
    drops = [f"DROP VIEW IF EXISTS {name}" for name in reversed(views)]
    creates = [f"CREATE VIEW {name} AS {query.strip()}" for name, query in views.items()]
    return drops + creates
