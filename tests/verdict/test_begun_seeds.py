"""Fresh seeds that workers begin with before they are asked for change nothing about an answer."""

import json
from collections import Counter

import pytest
import torch
from torch import nn

import advisor
from advisor.work.executors import Crew

ONLY = {"activation": ["elu", "tanh"], "initializer": [], "pretraining": []}


def net():
    """A convolution, so that no two trainings are computed together."""
    layers = (nn.Conv1d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 6, 2))
    return nn.Sequential(*layers)


def waves():
    generator = torch.Generator().manual_seed(0)
    kinds = torch.arange(120) % 2
    places = torch.arange(8) * (1.0 + kinds[:, None])
    return places.sin()[:, None] + torch.randn(120, 1, 8, generator=generator), kinds


@pytest.fixture
def asked(tmp_path, monkeypatch):
    """The answer of a study with so many workers, and the jobs in the order of their beginning."""

    def asked(workers, **options):
        begun = []
        begin = Crew._submit

        def noted(crew, function, *arguments):
            begun.append(arguments[0])
            return begin(crew, function, *arguments)

        monkeypatch.setattr(Crew, "_submit", noted)
        task = advisor.Task(net, waves, batch=32)
        study = advisor.Study(
            "waves", task, trials=10, epochs=4, seeds=3, seed=1, only=ONLY, **options
        )
        answer = advisor.tune(study, storage=str(tmp_path / f"{workers}.db"), workers=workers)
        monkeypatch.undo()
        trained = [each for each in begun if getattr(each, "to_epoch", 0)]
        return answer, [(each.name, each.from_epoch) for each in trained]

    return asked


def told(answer):
    """An answer as JSON, without what its trainings took."""
    return json.dumps(without_seconds(json.loads(answer.to_json())), sort_keys=True)


def without_seconds(value):
    if isinstance(value, dict):
        timed = ("seconds", "cost", "spread", "speed", "elapsed")
        kept = {key: each for key, each in value.items() if not any(t in key for t in timed)}
        return {key: without_seconds(each) for key, each in kept.items()}
    return [without_seconds(each) for each in value] if isinstance(value, list) else value


def test_an_answer_is_the_same_whether_workers_wait_or_begin_with_later_seeds(asked):
    alone, in_turn = asked(0)
    beside, begun = asked(3)
    assert told(beside) == told(alone)
    counts = Counter(begun)
    assert all(count == 1 for count in counts.values()), "nothing is trained twice"
    assert set(counts) >= set(in_turn), "all that is asked for is trained"
    last_trial = max(place for place, (name, _) in enumerate(begun) if name.startswith("trial"))
    first_seed = min(place for place, (name, _) in enumerate(begun) if "choose" in name)
    assert first_seed < last_trial, "a worker that would wait began with a seed"


def test_under_a_limit_of_time_no_seed_is_begun_before_it_is_asked_for(asked):
    _, begun = asked(3, minutes=5)
    last_trial = max(place for place, (name, _) in enumerate(begun) if name.startswith("trial"))
    assert min(place for place, (name, _) in enumerate(begun) if "choose" in name) > last_trial
