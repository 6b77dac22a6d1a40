"""The questions to the study database that have names, and how each is asked."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence

from advisor.errors import InputError, listing, near
from advisor.named_query import NamedQuery

_BEST = """
WITH techniques AS (
  SELECT c.study, c.slot, c.technique, COUNT(*) AS trials,
    MAX(CASE WHEN r.direction = 'minimize' THEN -1 ELSE 1 END) AS sign,
    MAX(CASE WHEN r.direction = 'minimize' THEN -c.score ELSE c.score END) AS value
  FROM advisor_choices c JOIN advisor_plans r ON r.study = c.study
  WHERE c.state = 'COMPLETE' AND c.score IS NOT NULL
  GROUP BY c.study, c.slot, c.technique
), ranked AS (
  SELECT study, slot, technique, value, sign, trials,
    ROW_NUMBER() OVER (PARTITION BY study, slot ORDER BY value DESC, technique) AS place,
    MAX(CASE WHEN technique = 'keep' THEN value END) OVER (PARTITION BY study, slot) AS kept
  FROM techniques
)
SELECT study, slot, technique, sign * value AS best, value - kept AS gain_over_keep, trials
FROM ranked WHERE place = 1"""

_ANSWERS = """
SELECT study, created, verdict, evidence, gain, low, high, seeds, rows, choices, trial, seconds
FROM advisor_recommendations WHERE latest"""

_WINNER = """
SELECT study, 'technique' AS kind, slot AS name, technique AS value
FROM advisor_recommended_choices
UNION ALL
SELECT study, 'parameter' AS kind, name, value FROM advisor_recommended_params"""

# A study's own model was trained at two pairs of rates; the better one is the one to beat.
_GAIN_PER_COST = """
WITH arms AS (
  SELECT c.study, c.arm, c.params, COUNT(c.score) AS seeds, AVG(c.seconds) AS seconds,
    AVG(CASE WHEN r.direction = 'minimize' THEN -c.score ELSE c.score END) AS value
  FROM advisor_confirmations c JOIN advisor_plans r ON r.study = c.study
  WHERE c.phase IN ('choose', 'select')
  GROUP BY c.study, c.arm, c.params
), own AS (
  SELECT study, value, seconds,
    ROW_NUMBER() OVER (PARTITION BY study ORDER BY value DESC) AS place
  FROM arms WHERE arm = 'keep' AND value IS NOT NULL
)
SELECT a.study, a.arm, a.seeds, a.value - o.value AS gain, a.seconds,
  a.seconds / NULLIF(o.seconds, 0) AS times_as_long,
  (a.value - o.value) / NULLIF(a.seconds, 0) AS gain_per_second
FROM arms a JOIN own o ON o.study = a.study AND o.place = 1
WHERE a.arm <> 'keep'"""

_FAILURES = """
SELECT study, 'trial ' || number AS what, arm, CASE WHEN state = 'FAIL' THEN 'failed'
  ELSE 'given up' END AS how, why
FROM advisor_trials WHERE state = 'FAIL' OR (state = 'PRUNED' AND score IS NULL)
UNION ALL
SELECT study, 'seed ' || seed AS what, arm, 'broke' AS how, why
FROM advisor_confirmations WHERE why IS NOT NULL
UNION ALL
SELECT study, job AS what, NULL AS arm, 'a worker died' AS how, why FROM advisor_deaths"""

_CURVES = """
SELECT c.study, c.number, c.epoch, c.score, c.loss, c.seconds
FROM advisor_curves c
LEFT JOIN advisor_recommendations r ON r.study = c.study AND r.latest
WHERE c.number = COALESCE(CAST(:trial AS INTEGER), r.trial, 0)
  OR (c.number = 0 AND :trial IS NULL)"""

_TECHNIQUE = """
WITH tried AS (
  SELECT c.study, c.slot, c.technique, COUNT(*) AS trials,
    SUM(CASE WHEN c.state = 'FAIL' THEN 1 ELSE 0 END) AS failed,
    MAX(CASE WHEN r.direction = 'minimize' THEN -1 ELSE 1 END) AS sign,
    MAX(CASE WHEN c.state <> 'COMPLETE' THEN NULL
      WHEN r.direction = 'minimize' THEN -c.score ELSE c.score END) AS value
  FROM advisor_choices c JOIN advisor_plans r ON r.study = c.study
  WHERE c.technique <> 'keep' AND (CAST(:technique AS TEXT) IS NULL
    OR :technique IN (c.technique, c.slot || '.' || c.technique))
  GROUP BY c.study, c.slot, c.technique
)
SELECT t.study, t.slot, t.technique, t.trials, t.failed, t.sign * t.value AS best, r.verdict,
  CASE WHEN q.technique IS NULL THEN 0 ELSE 1 END AS recommended,
  CASE WHEN r.arm = t.slot || '=' || t.technique THEN r.gain END AS gain_alone,
  CASE WHEN ' ' || r.arm || ' ' LIKE '% ' || t.slot || '=' || t.technique || ' %'
    THEN r.gain END AS gain_of_its_arm
FROM tried t
LEFT JOIN advisor_recommendations r ON r.study = t.study AND r.latest
LEFT JOIN advisor_recommended_choices q
  ON q.study = t.study AND q.slot = t.slot AND q.technique = t.technique"""

_SEEDS = """
SELECT a.study, a.arm, a.seed, k.score AS baseline, a.score,
  CASE WHEN r.direction = 'minimize' THEN k.score - a.score ELSE a.score - k.score END AS gain,
  k.test AS baseline_test, a.test
FROM advisor_recommendations l
JOIN advisor_plans r ON r.study = l.study
JOIN advisor_confirmations a ON a.study = l.study AND a.arm = l.arm
JOIN advisor_confirmations k
  ON k.study = a.study AND k.phase = a.phase AND k.arm = 'keep' AND k.seed = a.seed
WHERE l.latest AND a.phase IN ('measure', 'estimate') AND a.arm <> 'keep'"""

_STUDIES = """
SELECT study, created, verdict, evidence, gain, low, high, trials, seconds, metric, model, data,
  command
FROM advisor_studies"""

_PLUGINS = """
SELECT study, plugin, version, since, CASE WHEN loaded THEN 1 ELSE 0 END AS loaded
FROM advisor_plugins
UNION ALL
SELECT study, 'advisor' AS plugin, advisor AS version, created AS since, 1 AS loaded
FROM advisor_plans
UNION ALL
SELECT study, 'torch' AS plugin, torch AS version, created AS since, 1 AS loaded
FROM advisor_plans"""

# What is computed for a trial is computed once.
_RATES = """
WITH tried AS MATERIALIZED (
  SELECT study, number, arm, lr, weight_decay, state, score FROM advisor_trials
), ranked AS (
  SELECT t.study, t.arm, t.lr, t.weight_decay, t.score, ROW_NUMBER() OVER (
    PARTITION BY t.study, t.arm
      ORDER BY CASE WHEN t.state = 'COMPLETE' AND t.score IS NOT NULL THEN 0 ELSE 1 END,
      CASE WHEN r.direction = 'minimize' THEN t.score ELSE -t.score END, t.number) AS place
  FROM tried t JOIN advisor_plans r ON r.study = t.study
)
SELECT study, arm, COUNT(*) AS trials, MIN(lr) AS lowest_lr, MAX(lr) AS highest_lr,
  MAX(CASE WHEN place = 1 THEN lr END) AS best_lr,
  MAX(CASE WHEN place = 1 THEN weight_decay END) AS best_weight_decay,
  MAX(CASE WHEN place = 1 THEN score END) AS best
FROM ranked GROUP BY study, arm"""

_SECONDS = """
SELECT c.study, c.part, h.technique, COUNT(*) AS trials, SUM(c.seconds) AS seconds,
  AVG(c.seconds) AS mean
FROM advisor_costs c
LEFT JOIN advisor_choices h ON h.study = c.study AND h.number = c.number AND h.slot = c.part
GROUP BY c.study, c.part, h.technique"""

QUERIES = (
    NamedQuery("answers", "what was recommended, and how sure it is", _ANSWERS, "study"),
    NamedQuery(
        "best", "the best technique of each slot in the search", _BEST, "study, gain_over_keep DESC"
    ),
    NamedQuery(
        "gain-per-cost",
        "gain and time of each confirmed arm, on the seeds that chose",
        _GAIN_PER_COST,
        "study, gain_per_second DESC",
    ),
    NamedQuery("failures", "what failed and why", _FAILURES, "study, how, what"),
    NamedQuery(
        "curves",
        "the learning curves of your model and of the recommended trial, or of one trial",
        _CURVES,
        "study, number, epoch",
        {"trial": "number of a trial"},
    ),
    NamedQuery(
        "technique",
        "what past studies say of each technique, or of one",
        _TECHNIQUE,
        "slot, technique, study",
        {"technique": "its name, or slot.NAME"},
    ),
    NamedQuery(
        "winner", "techniques and parameters of the winner", _WINNER, "study, kind DESC, name"
    ),
    NamedQuery("seeds", "the scores of each pair of measuring seeds", _SEEDS, "study, seed"),
    NamedQuery("studies", "the studies by date", _STUDIES, "created, study"),
    NamedQuery("plugins", "versions of plugins, advisor and torch", _PLUGINS, "study, plugin"),
    NamedQuery("rates", "the learning rates that each arm was tried with", _RATES, "study, arm"),
    NamedQuery("seconds", "the time of each slot and of training", _SECONDS, "study, seconds DESC"),
)
"""The questions that advisor brings."""


def composed(query: NamedQuery, studies: Sequence[str], values: Mapping[str, str]) -> str:
    """The SQL of a named question.

    Arguments:
        query: the question.
        studies: the names of the studies that it is about; none for all.
        values: by word, what the user gives.

    Raises:
        InputError: the question has no such word.
    """
    words = query.words or {}
    for word in values:
        if word not in words:
            there = listing(words) or "none"
            raise InputError(
                f"--with {word}=…: the question {query.name!r} has no such word."
                f"{near(word, words)} Its words: {there}."
            )
    parts = [f"SELECT * FROM (\n{with_words(query, values)}\n) AS named_query"]
    if studies:
        parts.append(f"WHERE study IN ({', '.join(map(quoted, studies))})")
    if query.order:
        parts.append(f"ORDER BY {query.order}")
    return "\n".join(parts)


def with_words(query: NamedQuery, values: Mapping[str, str]) -> str:
    """The SQL of a question with what is given for its words."""
    sql = query.sql.strip().rstrip(";")
    for word in query.words or ():
        literal = quoted(values[word]) if word in values else "NULL"
        sql = re.sub(rf"(?<!:):{word}\b", literal.replace("\\", r"\\"), sql)
    return sql


def quoted(text: str) -> str:
    """A text as SQL has it."""
    doubled = text.replace("'", "''")
    return f"'{doubled}'"


def listed_queries(queries: Sequence[tuple[NamedQuery, str]]) -> Iterator[dict[str, str]]:
    """A row for each question, with the plugin that brings it."""
    for query, plugin in queries:
        words = ", ".join(f"{word}={meaning}" for word, meaning in (query.words or {}).items())
        yield {
            "name": query.name,
            "question": query.about,
            "words": words,
            "plugin": plugin,
        }
