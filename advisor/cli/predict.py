"""`advisor predict`: new rows through an exported folder."""

from __future__ import annotations

from pathlib import Path

import click

from advisor.errors import InputError, explain
from advisor.streams import say_exactly, tell


@click.command("predict")
@click.argument("folder")
@click.argument("rows")
@click.option("-o", "--output-file", "file", metavar="FILE.csv", help="where the predictions go")
def command(folder: str, rows: str, file: str | None) -> None:
    """Predict the rows of a file with the model of an exported FOLDER, as CSV.

    The code in the folder is run. Columns that the model does not read are left out, and told; a
    column that is missing is an error; a category that the training rows have not counts as none.
    """
    from advisor.exporting.predictions import predict  # loads pandas and torch

    table = predict(folder, rows, on=tell)
    text = table.to_csv(index=False)
    if file is None:
        say_exactly(text)
        return
    try:
        Path(file).write_text(text)
    except OSError as problem:
        raise InputError(f"-o {file} cannot be written: {explain(problem)}.") from problem
    tell(f"wrote {file}")
