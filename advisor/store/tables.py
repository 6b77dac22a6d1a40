"""advisor's own tables, and those of Optuna that hold the trials."""

from __future__ import annotations

import sqlalchemy as sa
from optuna.storages._rdb import models  # the one place that names Optuna's tables

METADATA = sa.MetaData()

NAME = sa.String(512)
"""The type of a study's or an arm's name."""

# Advisor's own tables; `SCHEMA` in views.py says what their columns mean.
plans = sa.Table(
    "advisor_plans",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("metric", sa.String(64), nullable=False),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("question", sa.Text),  # the reference of the study, as JSON
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False, default=0.0),
    # What people ask of the plan and the reference, so that nobody reads JSON for it.
    sa.Column("model", sa.Text),
    sa.Column("data", sa.Text),
    sa.Column("command", sa.Text),
    sa.Column("advisor", sa.String(64)),
    sa.Column("torch", sa.String(64)),
)
slots = sa.Table(
    "advisor_slots",
    METADATA,
    sa.Column("place", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("slot", NAME, nullable=False, unique=True),
)
plugins = sa.Table(
    "advisor_plugins",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("plugin", NAME, primary_key=True),
    sa.Column("version", NAME, primary_key=True),
    sa.Column("since", sa.DateTime),
    sa.Column("loaded", sa.Boolean, nullable=False),
    sa.Column("built_in", sa.Boolean),
)
curves = sa.Table(
    "advisor_curves",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("epoch", sa.Integer, primary_key=True),
    sa.Column("score", sa.Float),
    sa.Column("loss", sa.Float),
    sa.Column("seconds", sa.Float),
    sa.Column("early_loss", sa.Float),
)
costs = sa.Table(
    "advisor_costs",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True),
    sa.Column("part", sa.String(128), primary_key=True),
    sa.Column("seconds", sa.Float),
)
confirmations = sa.Table(
    "advisor_confirmations",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("phase", sa.String(16), primary_key=True),
    sa.Column("arm", NAME, primary_key=True),
    sa.Column("seed", sa.BigInteger, primary_key=True),
    sa.Column("score", sa.Float),
    sa.Column("test", sa.Float),
    sa.Column("seconds", sa.Float),
    sa.Column("params", sa.Text, primary_key=True),
    sa.Column("why", sa.Text),
)
measured_rows = sa.Table(
    "advisor_measured_rows",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("arm", NAME, primary_key=True),
    sa.Column("params", sa.Text, primary_key=True),
    sa.Column("seed", sa.BigInteger, primary_key=True),
    sa.Column("part", sa.String(16), primary_key=True),
    sa.Column("total", sa.BigInteger, nullable=False),
    sa.Column("measured", sa.BigInteger, nullable=False),
    sa.Column("numbers", sa.LargeBinary, nullable=False),
    sa.Column("dtype", sa.String(8), nullable=False),
    sa.Column("added", sa.LargeBinary, nullable=False),
)
recommendations = sa.Table(
    "advisor_recommendations",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("created", sa.DateTime, primary_key=True),
    sa.Column("verdict", sa.String(16), nullable=False),
    sa.Column("evidence", sa.String(16)),
    sa.Column("json", sa.Text, nullable=False),
    # What people ask of the answer; a column for each slot is added where a database has one.
    sa.Column("latest", sa.Boolean),
    sa.Column("gain", sa.Float),
    sa.Column("low", sa.Float),
    sa.Column("high", sa.Float),
    sa.Column("seeds", sa.Integer),
    sa.Column("rows", sa.BigInteger),
    sa.Column("min_gain", sa.Float),
    sa.Column("arm", sa.Text),
    sa.Column("baseline", sa.Float),
    sa.Column("recommended", sa.Float),
    sa.Column("choices", sa.Text),
    sa.Column("parameters", sa.Text),
    sa.Column("trial", sa.Integer),
    sa.Column("seconds", sa.Float),
    sa.Column("baseline_seconds", sa.Float),
    sa.Column("recommended_seconds", sa.Float),
)
recommended_choices = sa.Table(
    "advisor_recommended_choices",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("slot", NAME, primary_key=True),
    sa.Column("technique", NAME, nullable=False),
)
recommended_params = sa.Table(
    "advisor_recommended_params",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("name", NAME, primary_key=True),
    sa.Column("value", sa.Text, nullable=False),
    sa.Column("quantity", sa.Float),
)
comparisons = sa.Table(
    "advisor_comparisons",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("created", sa.DateTime, nullable=False),
    sa.Column("metric", sa.String(64), nullable=False),
    sa.Column("direction", sa.String(16), nullable=False),
    sa.Column("plan", sa.Text, nullable=False),
    sa.Column("seconds", sa.Float, nullable=False, default=0.0),
    sa.Column("answered", sa.DateTime),
    sa.Column("verdict", sa.String(16)),
    sa.Column("evidence", sa.String(16)),
    sa.Column("json", sa.Text),
)
verdicts = sa.Table(
    "advisor_verdicts",
    METADATA,
    sa.Column("rows", sa.String(64), primary_key=True),
    sa.Column("question", sa.String(64), primary_key=True),
    sa.Column("place", sa.Integer, nullable=False),
    sa.Column("name", NAME, nullable=False),
    sa.Column("evidence", sa.String(16), nullable=False),
    sa.Column("created", sa.DateTime, nullable=False),
)
deaths = sa.Table(
    "advisor_deaths",
    METADATA,
    sa.Column("study", NAME, primary_key=True),
    sa.Column("job", NAME, primary_key=True),
    sa.Column("deaths", sa.Integer, nullable=False),
    sa.Column("why", sa.Text, nullable=False),
)

# Optuna's tables. What belongs together is written in one transaction.
OPTUNA_TABLES = models.BaseModel.metadata.sorted_tables
STUDIES: sa.Table = models.StudyModel.__table__
STUDY_FACTS: sa.Table = models.StudyUserAttributeModel.__table__
DIRECTIONS: sa.Table = models.StudyDirectionModel.__table__
TRIALS: sa.Table = models.TrialModel.__table__
PARAMS: sa.Table = models.TrialParamModel.__table__
FACTS: sa.Table = models.TrialUserAttributeModel.__table__
VALUES: sa.Table = models.TrialValueModel.__table__
STEPS: sa.Table = models.TrialIntermediateValueModel.__table__

# How Optuna knows that a database has its tables, and which ones.
SCHEMA_VERSION: int = models.SCHEMA_VERSION
VERSION: sa.Table = models.VersionInfoModel.__table__
REVISION = sa.Table(
    "alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32), primary_key=True)
)
