"""Which files and which code belong to a technique."""

from __future__ import annotations

import pytest

from advisor.host.host import Plugin
from advisor.search.plugin_marks import PluginMarks, files_of
from advisor.technique import KEEP


def plugin(file):
    return Plugin("one", "", str(file), (), (), file=file)


@pytest.mark.parametrize(
    ("file", "own", "foreign"),
    [
        ("home/wave.py", ["home/wave.py", "home/beside.py"], ["other/x.py"]),
        ("home/wave.py", [], ["home/.venv/lib/site-packages/x.py"]),
        ("site-packages/wave.py", ["site-packages/wave.py"], ["site-packages/x.py"]),
        ("site-packages/pack/sub/plugin.py", ["site-packages/pack/x.py"], ["site-packages/x.py"]),
        (
            "site-packages/pack/__init__.py",
            ["site-packages/pack/deep/x.py"],
            ["site-packages/y.py"],
        ),
    ],
)
def test_a_plugin_has_the_files_of_its_package_or_beside_it(tmp_path, file, own, foreign):
    for name in (file, "site-packages/pack/__init__.py", "site-packages/pack/sub/__init__.py"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    is_own = files_of(plugin(tmp_path / file))
    assert [name for name in own if not is_own(tmp_path / name)] == []
    assert [name for name in foreign if is_own(tmp_path / name)] == []


def test_every_built_in_technique_has_a_code_of_its_own_that_every_python_reads(host):
    techniques = [
        (slot, name)
        for slot, by_name in host.techniques.items()
        for name in by_name
        if name != KEEP
    ]
    codes = PluginMarks(host).codes_of(techniques)
    assert codes == PluginMarks(host).codes_of(techniques)
    assert len(set(codes.values())) == len(techniques)
    assert not [code for code in codes.values() if code.startswith("py")]
