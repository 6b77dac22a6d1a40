"""The views and tables that people query, with what their columns mean."""

from __future__ import annotations

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
            "gain": "of the best other arm over your model, as the last answer has it; higher is "
            "better; NULL without an answer",
            "low": "lower end of the 95 % interval of the gain",
            "high": "its upper end",
            "trial": "number of the trial that the last answer recommends",
            "model": "class and parameters of your model, or the script",
            "data": "rows, inputs and outputs",
            "command": "what asks the study again: a command line, or a call in Python",
            "advisor": "version of advisor that worked on the study last",
            "torch": "version of torch then; NULL until a version that keeps it works on the study",
            "plugins": "plugins of others that were loaded then, with their versions or the hashes "
            "of their files; all are rows of advisor_plugins",
        },
    ),
    "advisor_trials": (
        "one row per search trial",
        {
            "study": "name of the study",
            "number": "trial number, from 0 (the model as it is)",
            "arm": "what is changed, as slot=technique, or keep",
            "state": "COMPLETE, PRUNED, FAIL, RUNNING",
            "score": "mean validation metric of the last epochs that were trained",
            "seconds": "techniques and training",
            "stage": "open (each technique alone), join (in pairs), fair (equally many trials "
            "each), explore, tune (leaders)",
            "why": "why it was stopped or failed",
            "lr": "learning rate of the training; where a technique brings one, its own",
            "weight_decay": "weight decay",
            "recommended": "1 for the trial that the last answer recommends, else 0",
            "<slot>": "technique in that slot, one column per slot that any plugin has brought; "
            'NULL where a study does not have it; "slot.NAME" where NAME is a column above',
        },
    ),
    "advisor_choices": (
        "one row per trial and slot",
        {
            "study": "name of the study",
            "number": "trial number",
            "slot": "slot",
            "technique": "the technique in it",
            "state": "of the trial",
            "score": "of the trial",
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
            "latest": "whether it is the last one of its study",
            "gain": "mean gain of arm over your model on the seeds that measured it, in units of "
            "the metric; higher is better",
            "low": "lower end of its 95 % interval",
            "high": "upper end of its 95 % interval",
            "seeds": "pairs of fresh seeds that measured it",
            "rows": "rows that measured it; 0 where seeds are the only error, NULL before 0.3",
            "min_gain": "the smallest gain worth a change",
            "arm": "the arm that was measured, as in advisor_confirmations",
            "baseline": "mean score of your model on these seeds",
            "recommended": "mean score of what is recommended",
            "choices": "what is recommended, as slot=technique, or keep",
            "parameters": "its parameters, as name=value; rows of advisor_recommended_params",
            "trial": "number of the trial with these choices and parameters, or of the best with "
            "these choices; NULL where there is none",
            "seconds": "time that search and confirmation took",
            "baseline_seconds": "time of a training of your model",
            "recommended_seconds": "time of a training of what is recommended, with its techniques",
            "<slot>": "recommended technique in that slot, as in advisor_trials",
        },
    ),
    "advisor_recommended_choices": (
        "one row per study and slot of its last recommendation",
        {
            "study": "name of the study",
            "slot": "slot",
            "technique": "the recommended technique in it; keep is your model as it is",
        },
    ),
    "advisor_recommended_params": (
        "one row per study and parameter of its last recommendation",
        {
            "study": "name of the study",
            "name": "training.lr, training.weight_decay or slot.technique.parameter",
            "value": "its value as text",
            "quantity": "its value as a number; NULL where it is a label",
        },
    ),
    "advisor_plugins": (
        "one row per study, plugin and version that was loaded when the study was worked on",
        {
            "study": "name of the study",
            "plugin": "name of the plugin",
            "version": "its version, or the hash of its file",
            "since": "when it was first loaded for the study (UTC); NULL where that is not known",
            "loaded": "whether it was loaded when the study was worked on last",
            "built_in": "whether advisor brings it; NULL where that is not known",
        },
    ),
    "advisor_slots": (
        "one row per slot that the plugins of this database's studies have brought",
        {
            "place": "in the order in which they came",
            "slot": "name of the slot",
        },
    ),
}
"""What `advisor query --schema` prints: view or table, what a row is, and its columns with their
meaning. The column `<slot>` stands for one column per slot.
"""
