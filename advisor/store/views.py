"""The views that people query: Optuna's tables and advisor's, with labels instead of indexes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Dialect:
    """What the databases write differently, as SQL.

    Attributes:
        label: the label of a categorical parameter `p`, which Optuna keeps as an index.
        is_choice: whether the parameter `p` is categorical.
        attribute: the value of a trial's user attribute `a`, which Optuna keeps as JSON.
        number: the type to which a numeric parameter is cast.
        own_rates: the rows `k`, whose `value` is the name of a parameter that is a technique's own
            learning rate, by the plan of the study `r`.
        plugins: the plugins `g` with their versions, as one text.
        false: what is not true.
    """

    label: str
    is_choice: str
    attribute: str
    number: str
    own_rates: str
    plugins: str
    false: str


_DIALECTS = {
    "sqlite": Dialect(
        # What is no JSON has no value here, so that one damaged row does not hide the others.
        label="CASE WHEN json_valid(p.distribution_json) THEN json_extract(p.distribution_json, "
        "'$.attributes.choices[' || CAST(p.param_value AS INTEGER) || ']') END",
        is_choice="json_valid(p.distribution_json) AND "
        "json_extract(p.distribution_json, '$.name') = 'CategoricalDistribution'",
        attribute="CASE WHEN json_valid(a.value_json) THEN json_extract(a.value_json, '$') END",
        number="REAL",
        # A plan is read where it has any: most have none, and reading takes time.
        own_rates="json_each(CASE WHEN INSTR(r.plan, '\"rates\"') > 0 AND json_valid(r.plan) "
        "THEN COALESCE(json_extract(r.plan, '$.rates'), '{}') ELSE '{}' END) k",
        plugins="GROUP_CONCAT(g.plugin || ' ' || g.version, ', ')",
        false="0",
    ),
    # A column of PostgreSQL has one type, so numbers stand as text beside labels.
    "postgresql": Dialect(
        label="((p.distribution_json::json) -> 'attributes' -> 'choices' "
        "->> CAST(p.param_value AS INTEGER))",
        is_choice="((p.distribution_json::json) ->> 'name') = 'CategoricalDistribution'",
        attribute="a.value_json::json #>> '{}'",
        number="TEXT",
        own_rates="json_each_text(CASE WHEN STRPOS(r.plan, '\"rates\"') > 0 "
        "THEN COALESCE((r.plan::json) -> 'rates', '{}'::json) ELSE '{}'::json END) k(key, value)",
        plugins="STRING_AGG(g.plugin || ' ' || g.version, ', ' ORDER BY g.plugin)",
        false="FALSE",
    ),
}

_TRIALS = """trials t
JOIN studies s ON s.study_id = t.study_id
JOIN advisor_plans r ON r.study = s.study_name"""
"""Trials of advisor's studies; other Optuna studies may be in the same database."""

_VALUES = """trial_values v
ON v.trial_id = t.trial_id AND v.objective = 0 AND v.value_type = 'FINITE'"""
"""Their scores; Optuna keeps an infinite one as a type without a number, and here it has none."""

# A parameter with a dot in its name is a number; one without is a slot.
_CHOICES = """
SELECT s.study_name AS study, t.number AS number, p.param_name AS slot, {label} AS technique,
  CAST(t.state AS TEXT) AS state, v.value AS score
FROM {trials} JOIN trial_params p ON p.trial_id = t.trial_id
LEFT JOIN {values}
WHERE p.param_name NOT LIKE '%.%'"""

_PARAMS = """
SELECT s.study_name AS study, t.number AS number, p.param_name AS name,
  CASE WHEN {is_choice}
    THEN CAST({label} AS TEXT)
    ELSE CAST(p.param_value AS {number})
  END AS value
FROM {trials} JOIN trial_params p ON p.trial_id = t.trial_id
WHERE p.param_name LIKE '%.%'"""

_SEARCH_TRIALS = """
SELECT s.study_name AS study, t.number AS number, {arm} AS arm, CAST(t.state AS TEXT) AS state,
  v.value AS score,
  (SELECT SUM(c.seconds) FROM advisor_costs c
   WHERE c.study = s.study_name AND c.number = t.number) AS seconds,
  {stage} AS stage, {why} AS why, {lr} AS lr, {weight_decay} AS weight_decay,
  CASE WHEN EXISTS (SELECT 1 FROM advisor_recommendations a
    WHERE a.study = s.study_name AND a.latest AND a.trial = t.number) THEN 1 ELSE 0
  END AS recommended{slots}
FROM {trials}
LEFT JOIN {values}"""

# A trial that has no such attribute has NULL there.
_ATTRIBUTE = """
  (SELECT {attribute} FROM trial_user_attributes a
   WHERE a.trial_id = t.trial_id AND a.key = '{key}')"""

_RATE = """
  (SELECT p.param_value FROM trial_params p
   WHERE p.trial_id = t.trial_id AND p.param_name = 'training.{name}')"""

# A technique that brings a learning rate of its own has it in the place of the training's.
_OWN_RATE = """
  COALESCE((SELECT p.param_value FROM trial_params p JOIN {own_rates} ON k.value = p.param_name
   WHERE p.trial_id = t.trial_id LIMIT 1),{rate})"""

# One for each slot. A row is found by the trial's own id, so that the time grows with the trials
# and not with their square.
_SLOT = """
  (SELECT {label} FROM trial_params p
   WHERE p.trial_id = t.trial_id AND p.param_name = '{slot}')"""

# In words: what is not kept.
_CHANGED = "COALESCE(' {slot}=' || NULLIF({technique}, 'keep'), '')"
_ARM = "COALESCE(NULLIF(LTRIM({changed}), ''), 'keep')"

# A study is there from its plan on, before it has trials or a recommendation.
_STUDIES = """
SELECT r.study AS study, a.verdict AS verdict, a.evidence AS evidence,
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
  r.metric AS metric, r.direction AS direction, r.seconds AS seconds, r.created AS created,
  a.gain AS gain, a.low AS low, a.high AS high, a.trial AS trial,
  r.model AS model, r.data AS data, r.command AS command, r.advisor AS advisor, r.torch AS torch,
  (SELECT {plugins} FROM advisor_plugins g
   WHERE g.study = r.study AND g.loaded AND NOT COALESCE(g.built_in, {false})) AS plugins
FROM advisor_plans r
LEFT JOIN advisor_recommendations a ON a.study = r.study AND a.latest"""


def statements(dialect: str, columns: Mapping[str, str]) -> list[str]:
    """SQL that makes the views anew, in the order in which it must run.

    `dialect` is SQLAlchemy's name of the kind of database; `columns` are those of slots, by slot.
    """
    # What differs between databases is filled into the queries.
    words = _DIALECTS[dialect]
    parameter = {"label": words.label, "is_choice": words.is_choice, "number": words.number}
    slots = {slot: _SLOT.format(slot=slot, label=words.label) for slot in columns}
    changed = [_CHANGED.format(slot=slot, technique=each) for slot, each in slots.items()]
    trial = {
        "arm": _ARM.format(changed=" || ".join(changed) or "''"),
        "stage": _ATTRIBUTE.format(attribute=words.attribute, key="stage"),
        "why": _ATTRIBUTE.format(attribute=words.attribute, key="why"),
        "lr": _OWN_RATE.format(own_rates=words.own_rates, rate=_RATE.format(name="lr")),
        "weight_decay": _RATE.format(name="weight_decay"),
        "slots": "".join(f',{each} AS "{columns[slot]}"' for slot, each in slots.items()),
    }

    # Later views read earlier ones, so they are dropped from the last to the first.
    views = {
        "advisor_choices": _CHOICES.format(trials=_TRIALS, values=_VALUES, **parameter),
        "advisor_params": _PARAMS.format(trials=_TRIALS, **parameter),
        "advisor_trials": _SEARCH_TRIALS.format(trials=_TRIALS, values=_VALUES, **trial),
        "advisor_studies": _STUDIES.format(plugins=words.plugins, false=words.false),
    }
    drops = [f"DROP VIEW IF EXISTS {name}" for name in reversed(views)]
    creates = [f"CREATE VIEW {name} AS {query.strip()}" for name, query in views.items()]
    return drops + creates
