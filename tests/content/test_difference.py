"""What changed in a study, in words."""

import pytest

from advisor.content.difference import MOST, difference, listed
from advisor.content.study_content import Content

DRAWN = "the rows drawn for training, validation and test"
BEGUN = Content(
    code={"Net.forward in net.py": "a", "WIDTH in net.py": "b", "<lambda> in study.py": "py3.11:c"},
    files={"config.yaml": "a"},
    rows={"the rows": "a", "the targets": "b", DRAWN: "c"},
    arguments={"p": "0.2"},
    model={"": {"class": "Net", "width": "8"}, "act": {"class": "ReLU", "inplace": "False"}},
)


def now(**groups):
    """The same content with some parts in another way; None takes one away."""
    parts = {}
    for name, changed in groups.items():
        merged = {**getattr(BEGUN, name), **changed}
        parts[name] = {key: value for key, value in merged.items() if value is not None}
    return Content(**{**vars(BEGUN), **parts})


@pytest.mark.parametrize(
    ("content", "sentences"),
    [
        (now(), []),
        (now(rows={"the rows": "x"}), ["the rows were others"]),
        (now(rows={"the targets": "x", DRAWN: "y"}), ["the targets were others"]),
        (now(rows={DRAWN: "y"}), [f"{DRAWN} were others"]),
        (now(rows={"the test rows": "x"}), ["the test rows are new"]),
        (now(rows={"the targets": None}), ["the targets are gone"]),
        (now(code={"WIDTH in net.py": "x"}), ["WIDTH in net.py changed"]),
        (now(code={"scale in net.py": "x"}), ["scale in net.py is new"]),
        (now(code={"WIDTH in net.py": None}), ["WIDTH in net.py is gone"]),
        (now(code={"<lambda> in study.py": "py3.11:x"}), ["<lambda> in study.py changed"]),
        (now(files={"config.yaml": "x"}), ["config.yaml changed"]),
        (now(arguments={"p": "0.6"}), ["the model's argument p was 0.2 and is 0.6"]),
        (now(model={"": {"class": "Net", "width": "9"}}), ["the model: width was 8 and is 9"]),
        (now(model={"act": {"class": "Tanh"}}), ["the model's layer 'act' was ReLU and is Tanh"]),
        (
            now(model={"act": {"class": "ReLU", "inplace": "True"}}),
            ["the model's layer 'act': inplace was False and is True"],
        ),
        (now(model={"norm": {"class": "Norm"}}), ["the model's layer 'norm' is new"]),
        (now(model={"act": {"class": "ReLU"}}), []),
    ],
    ids=lambda value: "; ".join(value) or "nothing" if isinstance(value, list) else "",
)
def test_each_change_is_a_sentence(content, sentences):
    found = difference(BEGUN, content)
    assert list(found.sentences) == sentences
    assert found.rows == any(" others" in each or " are " in each for each in sentences)
    assert found.uncompared == ()


def test_bytecode_of_another_python_is_not_compared_and_named():
    for digest in ("py3.12:c", "source"):
        found = difference(BEGUN, now(code={"<lambda> in study.py": digest}))
        assert (found.sentences, found.uncompared) == ((), ("<lambda> in study.py",))


def test_a_long_list_is_cut_with_the_number_of_the_others():
    sentences = [f"part {i} changed" for i in range(MOST + 3)]
    text = listed(sentences)
    assert text.endswith(f"part {MOST - 1} changed; and 3 more")
    assert listed(sentences[:2]) == "part 0 changed; part 1 changed"


def test_the_digests_follow_each_kind_and_not_the_order():
    assert BEGUN.digest == Content(**{**vars(BEGUN), "model": {}}).digest
    assert Content(code={"a": "1", "b": "2"}).digest == Content(code={"b": "2", "a": "1"}).digest
    assert BEGUN.digest.differs_in(BEGUN.digest) == ""
    for kind, name in (("code", "WIDTH in net.py"), ("files", "config.yaml"), ("rows", "the rows")):
        assert BEGUN.digest.differs_in(now(**{kind: {name: "x"}}).digest) == kind


def test_a_file_that_only_one_process_has_read_is_not_compared():
    other = now(files={"config.yaml": None, "other.yaml": "x"})
    assert BEGUN.digest.differs_in(other.digest) == ""
    assert difference(BEGUN, other).sentences == ()


def test_a_content_is_read_back_as_it_was_written():
    assert Content.from_json(BEGUN.to_json()) == BEGUN
    assert Content.from_json(None) is None
