"""Studies in a PostgreSQL database: the same answers as in an SQLite file, whatever happens to the
server meanwhile.
"""

import json
import subprocess
import sys

import pytest
from models.small import Net

import advisor
from advisor.errors import InputError, MachineError
from advisor.store.query import read

QUESTIONS = {
    "trials": "SELECT study, number, state, score, activation, initializer FROM advisor_trials ORDER BY number",
    "choices": "SELECT number, slot, technique FROM advisor_choices ORDER BY number, slot",
    "params": "SELECT number, name, value FROM advisor_params ORDER BY number, name",
    "curves": "SELECT number, epoch, score FROM advisor_curves ORDER BY number, epoch",
    "pairs": "SELECT phase, seed, score, test FROM advisor_confirmations ORDER BY phase, seed, score",
    "verdicts": "SELECT study, verdict FROM advisor_recommendations",
}
FILE = """
import torch, advisor
from torch import nn
def net():
    return nn.Linear(4, 2)
y = torch.arange(60) % 2
study = advisor.Study("small", advisor.Task(net, (torch.randn(60, 4), y)), trials=2)
"""


@pytest.fixture(scope="module")
def own_server():
    """A server that these tests stop and start."""
    from postgres import Server

    server = Server()
    yield server
    server.remove()


@pytest.fixture
def study(blobs):
    only = {"activation": ["elu"], "initializer": ["he"], "pretraining": ["denoising"]}
    task = advisor.Task(Net, blobs)
    return advisor.Study("small", task, trials=7, epochs=3, seeds=3, only=only)


def timeless(value):
    """A JSON without what clocks say."""
    if isinstance(value, dict):
        kept = {key: each for key, each in value.items() if "second" not in key}
        return {key: timeless(each) for key, each in kept.items()}
    return [timeless(each) for each in value] if isinstance(value, list) else value


def answer(study, url, **words):
    """The JSON of a recommendation, as text without what clocks say."""
    text = advisor.tune(study, storage=url, workers=0, **words).to_json()
    return json.dumps(timeless(json.loads(text)))


def rows(url):
    """What the views say of all studies."""
    found = {name: [*map(tuple, read(url, sql)[1])] for name, sql in QUESTIONS.items()}
    # A column of a server has one type, so that numbers beside words are texts there.
    found["params"] = [(*key, plain(value)) for *key, value in found["params"]]
    return found


def plain(value):
    """A value of a parameter, as a number where it is one."""
    try:
        return float(value)
    except ValueError:
        return value


@pytest.mark.parametrize("name", ["socket", "network"])
def test_a_study_has_the_answer_and_the_rows_that_it_has_in_a_file(
    study, own_server, tmp_path, name
):
    url, file = own_server.new_database(name), f"sqlite:///{tmp_path}/same.db"
    url = own_server.url_by_network(name) if name == "network" else url
    assert answer(study, url) == answer(study, file)
    assert rows(url) == rows(file)
    # Asked again it answers at once, from what is there.
    assert answer(study, url) == answer(study, file)


@pytest.mark.parametrize(
    ("trials", "way", "message"), [(1, "socket", "cannot be used"), (5, "network", "not answer")]
)
def test_a_study_whose_server_was_stopped_goes_on_to_the_same_answer(
    study, own_server, tmp_path, trials, way, message
):
    url = own_server.new_database(f"stopped {trials}")
    url = own_server.url_by_network(f"stopped {trials}") if way == "network" else url
    file = f"sqlite:///{tmp_path}/whole.db"
    seen = []

    def stop(event):
        seen.extend([event] if isinstance(event, advisor.TrialEnded) else [])
        if len(seen) == trials:
            own_server.stop()
            seen.append(None)

    with pytest.raises(MachineError):
        advisor.tune(study, storage=url, workers=0, on=stop)
    with pytest.raises((InputError, MachineError), match=message):
        advisor.tune(study, storage=url, workers=0)
    own_server.start()
    assert answer(study, url) == answer(study, file)
    assert rows(url) == rows(file)


def test_of_two_commands_on_one_study_of_a_server_one_is_told_to_wait(
    study, own_server, write, tmp_path
):
    # The other command reaches the same database by another name.
    url, by_network = own_server.new_database("two"), own_server.url_by_network("two")
    said = []
    line = [sys.executable, "-m", "advisor.cli", "tune", write("small.py", FILE), "--quiet"]

    def ask(event):
        """Ask for the same study, and for another one, while this one runs."""
        if isinstance(event, advisor.TrialEnded) and not said:
            for name in ("small", "other"):
                words = [
                    *line,
                    "--storage",
                    by_network,
                    "--name",
                    name,
                    "--workers",
                    "0",
                    "--seeds",
                    "3",
                ]
                place = tmp_path / name
                place.mkdir()
                said.append(subprocess.run(words, capture_output=True, text=True, cwd=place))

    alone = answer(study, f"sqlite:///{tmp_path}/alone.db")
    assert answer(study, url, on=ask) == alone
    same, other = said
    assert same.returncode == 2
    assert "Study 'small' is running in another process on this database" in same.stderr
    assert other.returncode == 0, other.stderr
    studies = read(url, "SELECT study FROM advisor_studies ORDER BY study")[1]
    assert [tuple(row) for row in studies] == [("other",), ("small",)]
