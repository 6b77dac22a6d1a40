"""The options of training scripts on the command line."""

import pytest

REFUSED = {
    "no file": (["tune", "--script"], "no such file; name"),
    "a missing file": (["tune", "--script", "tran.py"], "'tran.py': there is no such file"),
    "data": (["tune", "--script", "train.py", "--data", "x.csv"], "leave out --data"),
    "an optimizer": (["tune", "--script", "train.py", "--optimizer", "sgd"], "leave out --optim"),
    "noise": (["tune", "--script", "train.py", "--noise", "0.1"], "leave out --noise"),
    "one side": (["compare", "--script", "train.py"], "needs two sides"),
    "a revision": (["compare", "--git", "HEAD", "--script", "train.py", "b.py"], "--git compares"),
    "a model": (["compare", "--script", "train.py", "train.py", "--model", "a:B"], "--model"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_a_script_says_itself_is_refused(case, advise, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "train.py").write_text("pass\n")
    words, told = REFUSED[case]
    said = advise(*words)
    assert said.code == 2
    assert told.partition(";")[0] in said.err
    assert "Traceback" not in said.err
