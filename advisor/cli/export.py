"""`advisor export`: a recommendation as a folder that stands for itself."""

from __future__ import annotations

import click

from advisor.cli.options import storage
from advisor.streams import tell


@click.command("export")
@click.argument("study")
@click.option("-o", "--output-folder", "folder", metavar="FOLDER", required=True, help="to be made")
@storage
@click.option("--final", is_flag=True, help="weights that are trained on all rows")
@click.option(
    "--file",
    "files",
    metavar="FILE.py",
    multiple=True,
    help="a file of the study in another folder, whose code may run; repeatable",
)
@click.option("--trust", is_flag=True, help="run whatever code the database names as the study's")
def command(
    study: str,
    folder: str,
    storage: str | None,
    final: bool,
    files: tuple[str, ...],
    trust: bool,
) -> None:
    """Write a study's recommendation as scripts, weights, JSON and a card.

    The folder trains and predicts without the study: train.py, predict.py, preprocessing.json,
    start.safetensors, model.safetensors, recommendation.json, MODEL_CARD.md, requirements.txt. It
    is run before it is there, so that it gives the score that was measured.
    """
    from advisor.exporting.folder import export  # loads torch

    made = export(study, folder, storage=storage, files=files, trust=trust, final=final, on=tell)
    tell(f"wrote {made}; python {made}/train.py --check trains it again and compares")
