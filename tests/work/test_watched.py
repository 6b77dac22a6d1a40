"""Scripts that watch and kill studies: what they look for is there, and they count what they see."""

from __future__ import annotations

import importlib
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "benchmarks"))
timeline = importlib.import_module("timeline")
kills = importlib.import_module("kills")
tiny = importlib.import_module("tiny_trials")
sys.path.pop(0)

PLACES = [
    part
    for rules in (timeline.WORK, timeline.PHASES, timeline.COMMANDS)
    for _, parts in rules
    for part in parts
    if ".py:" in part
]


@pytest.mark.parametrize("place", PLACES)
def test_a_call_that_says_what_a_process_does_is_there(place):
    file, _, function = place.partition(":")
    assert f"def {function}" in (ROOT / "advisor" / file).read_text()


def look(at, *calls):
    return timeline.Look(at, 1.0, 0.5, calls)


TRAIN = ("work/job.py:work", "advisor/training/loop.py:train")
WAIT = ("advisor/work/worker.py:serve", "python3.11/multiprocessing/connection.py:_recv")
SEARCH = ("advisor/search/search.py:run", "advisor/work/executors.py:_wait")
CHOOSE = ("advisor/verdict/confirm.py:confirm", "advisor/verdict/choosing.py:choose_arm")


def seen():
    command = [look(0.0, "main"), look(1.0, *SEARCH), look(2.0, *SEARCH), look(3.0, *CHOOSE)]
    workers = [[look(1.0, *TRAIN), look(2.0, *TRAIN)], [look(2.0, *WAIT), look(3.0, *TRAIN)]]
    return timeline.Timeline(0.0, 5.0, command, workers)


def test_the_seconds_of_all_cores_are_divided_by_work_and_moment():
    watched = seen()
    assert timeline.phases_of(watched.command) == [
        (0.0, "start"),
        (1.0, "search"),
        (3.0, "choosing"),
        (4.0, "end"),
    ]
    lines = {
        line[:20].strip(): line[20:].split()
        for line in timeline.shares(watched, timeline.lanes_of(watched), 2)
    }
    assert lines["training"] == ["0.0", "0.0", "2.0", "1.0", "0.0", "0.0", "3.0", "30%", "15%"]
    assert lines["waiting"] == ["0.0", "0.0", "1.0", "0.0", "0.0", "0.0", "1.0", "10%", "5%"]
    assert "30% of 2 cores train" in list(timeline.shares(watched, timeline.lanes_of(watched), 2))
    assert lines["no process"][:7] == ["2.0", "0.0", "1.0", "1.0", "0.0", "2.0", "6.0"]


def test_a_worker_that_takes_the_place_of_another_has_its_bar():
    first, second = [look(0.0, *TRAIN)], [look(1.0, *WAIT)]
    watched = timeline.Timeline(0.0, 2.0, [look(0.0, "main")], [first, second])
    (lane,) = timeline.lanes_of(watched)
    letters = timeline.bar(lane, watched, lambda each: timeline.LETTERS[timeline.work_of(each)])
    assert letters.replace(" ", "") == "█·"


def test_what_a_file_of_looks_has_whole_is_read(tmp_path):
    place = tmp_path / "1.txt"
    assert timeline.looks_of(place) == []
    place.write_text("1.0\t0.1\ta;b\n2.0\t0.6\tc\n3.0\t0.7\td\n4.0")
    assert timeline.looks_of(place) == [
        timeline.Look(1.0, 1.0, 0.5, ["a", "b"]),
        timeline.Look(2.0, 1.0, pytest.approx(0.1), ["c"]),
    ]
    assert [each.calls for each in timeline.looks_of(place, latest=25)] == [["c"]]


def test_rows_that_are_lost_doubled_or_other_ones_are_counted():
    trials = Counter({(0, "keep", 0.5): 1, (1, "elu", 0.7): 1, (2, "selu", 0.6): 1})
    peace = kills.Peace({}, {"trials": trials}, {}, True)
    killed = kills.Killed()
    kills.compare(peace, {"trials": trials}, killed)
    assert (killed.lost, killed.doubled, killed.differences) == (0, 0, [])
    kills.compare(peace, {"trials": trials - Counter({(1, "elu", 0.7): 1})}, killed)
    assert (killed.lost, killed.doubled) == (1, 0)
    kills.compare(peace, {"trials": trials + Counter({(1, "elu", 0.7): 1})}, killed)
    assert (killed.lost, killed.doubled, killed.differences) == (1, 1, [])
    other = Counter({(0, "keep", 0.5): 1, (1, "elu", 0.8): 1, (2, "selu", 0.6): 1})
    kills.compare(peace, {"trials": other}, killed)
    assert len(killed.differences) == 1


def test_answers_differ_at_a_place():
    peace = kills.timeless({"gain": {"mean": 1, "seconds": 2}, "seconds": 3, "scores": [1, 2]})
    assert peace == {"gain": {"mean": 1}, "scores": [1, 2]}
    assert not list(kills.differences(peace, peace, "study"))
    other = {"gain": {"mean": 2}, "scores": [1, 2]}
    assert list(kills.differences(peace, other, "study")) == ["study.gain.mean: 2, in peace 1"]


def test_growth_and_slope_of_memory():
    sizes = {100: 200.0, 200: 205.0, 300: 210.0}
    assert tiny.growth(sizes) == pytest.approx(0.05)
    assert tiny.slope(sizes) == pytest.approx(51.2)
