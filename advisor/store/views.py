"""advisor's views on Optuna's tables and its own: what people query, in labels and not in indexes."""

from __future__ import annotations

from collections.abc import Sequence

# What `advisor query --schema` prints: view or table, what a row is, and its columns with their
# meaning.
SCHEMA: dict[str, tuple[str, dict[str, str]]] = {
    "advisor_studies": (
        "one row per study",
        {
            "study": "name",
            "verdict": "change, keep or undecided; NULL until there is a recommendation",
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
            "stage": "open (each technique alone), join (in pairs), fair (equally many trials each), explore, tune (leaders)",
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
            "technique": "what sat in it",
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
            "loss": "mean training loss in the epoch",
            "seconds": "time of the epoch",
            "early_loss": "mean training loss just before step 20, in the epoch that holds it",
        },
    ),
    "advisor_costs": (
        "one row per trial and part of its work",
        {
            "study": "name of the study",
            "number": "trial number",
            "part": "a slot, training, or look (a glance at the changed model)",
            "seconds": "time it took",
        },
    ),
    "advisor_confirmations": (
        "one row per arm and fresh seed",
        {
            "study": "name of the study",
            "phase": "select (which arm) or estimate (how much it gains)",
            "arm": "what is changed, as slot=technique, or keep",
            "seed": "fresh seed; the same seed is paired over arms",
            "score": "validation metric",
            "test": "test metric, read once after the verdict; NULL elsewhere",
            "seconds": "techniques and training",
            "params": "parameters as JSON",
        },
    ),
    "advisor_recommendations": (
        "one row per recommendation that was given; the last one counts",
        {
            "study": "name of the study",
            "created": "when (UTC)",
            "verdict": "change, keep or undecided",
            "json": "the whole recommendation, as advisor show --json prints it",
        },
    ),
}

_LABEL = {
    "sqlite": "json_extract(p.distribution_json, '$.attributes.choices[' || CAST(p.param_value AS INTEGER) || ']')",
    "postgresql": "((p.distribution_json::json) -> 'attributes' -> 'choices' ->> CAST(p.param_value AS INTEGER))",
}
_IS_CHOICE = {
    "sqlite": "json_extract(p.distribution_json, '$.name') = 'CategoricalDistribution'",
    "postgresql": "((p.distribution_json::json) ->> 'name') = 'CategoricalDistribution'",
}
_TEXT = {"sqlite": "json_extract(a.value_json, '$')", "postgresql": "a.value_json::json #>> '{}'"}
_NUMBER = {"sqlite": "REAL", "postgresql": "TEXT"}  # a column of PostgreSQL has one type


def statements(dialect: str, slots: Sequence[str]) -> list[str]:
    """SQL that makes the views anew, with one column of `advisor_trials` per name in `slots`."""
    label, is_choice, number = _LABEL[dialect], _IS_CHOICE[dialect], _NUMBER[dialect]
    trial = "trials t JOIN studies s ON s.study_id = t.study_id JOIN advisor_plans r ON r.study = s.study_name"

    def attribute(key: str) -> str:
        where = f"a.trial_id = t.trial_id AND a.key = '{key}'"
        return f"(SELECT {_TEXT[dialect]} FROM trial_user_attributes a WHERE {where})"

    columns = "".join(
        f",\n  (SELECT c.technique FROM advisor_choices c WHERE c.study = s.study_name AND c.number = t.number"
        f" AND c.slot = '{slot}') AS \"{slot}\""
        for slot in slots
    )
    definitions = {
        "advisor_choices": f"""
SELECT s.study_name AS study, t.number AS number, p.param_name AS slot, {label} AS technique
FROM {trial} JOIN trial_params p ON p.trial_id = t.trial_id
WHERE p.param_name NOT LIKE '%.%'""",
        "advisor_params": f"""
SELECT s.study_name AS study, t.number AS number, p.param_name AS name,
  CASE WHEN {is_choice} THEN CAST({label} AS TEXT) ELSE CAST(p.param_value AS {number}) END AS value
FROM {trial} JOIN trial_params p ON p.trial_id = t.trial_id
WHERE p.param_name LIKE '%.%'""",
        "advisor_trials": f"""
SELECT s.study_name AS study, t.number AS number, CAST(t.state AS TEXT) AS state, v.value AS score,
  (SELECT SUM(c.seconds) FROM advisor_costs c WHERE c.study = s.study_name AND c.number = t.number) AS seconds,
  {attribute("stage")} AS stage, {attribute("why")} AS why{columns}
FROM {trial} LEFT JOIN trial_values v ON v.trial_id = t.trial_id AND v.value_type = 'FINITE'""",
        "advisor_studies": """
SELECT r.study AS study,
  (SELECT a.verdict FROM advisor_recommendations a WHERE a.study = r.study ORDER BY a.created DESC LIMIT 1) AS verdict,
  (SELECT COUNT(*) FROM advisor_trials t WHERE t.study = r.study AND t.state <> 'RUNNING') AS trials,
  (SELECT COUNT(*) FROM advisor_trials t WHERE t.study = r.study AND t.state = 'COMPLETE') AS complete,
  (SELECT COUNT(*) FROM advisor_trials t WHERE t.study = r.study AND t.state = 'PRUNED') AS pruned,
  (SELECT COUNT(*) FROM advisor_trials t WHERE t.study = r.study AND t.state = 'FAIL') AS failed,
  (SELECT CASE WHEN r.direction = 'maximize' THEN MAX(t.score) ELSE MIN(t.score) END
   FROM advisor_trials t WHERE t.study = r.study AND t.state = 'COMPLETE') AS best,
  r.metric AS metric, r.direction AS direction, r.seconds AS seconds, r.created AS created
FROM advisor_plans r""",
    }
    drops = [f"DROP VIEW IF EXISTS {name}" for name in reversed(definitions)]
    return drops + [f"CREATE VIEW {name} AS {body.strip()}" for name, body in definitions.items()]
