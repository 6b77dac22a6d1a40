"""What a second person relies on is true: CONTRIBUTING.md, the lowest versions, the changelog."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

import advisor
from advisor.cli import COMMANDS

ROOT = Path(__file__).parent.parent
GUIDE = (ROOT / "CONTRIBUTING.md").read_text()
BLOCKS = re.findall(r"```(\w*)\n(.*?)```", GUIDE, re.DOTALL)
SHELL = [line for kind, text in BLOCKS if kind == "sh" for line in text.splitlines()]


def test_the_technique_of_the_guide_keeps_its_promises(advise, write):
    (plugin,) = (text for kind, text in BLOCKS if kind == "python")
    checked = advise("check", write("bent_identity.py", plugin))
    assert checked.code == 0, checked.out + checked.err


def test_the_commands_of_the_guide_exist():
    words = [line.split() for line in SHELL]
    commands = [line[1] for line in words if line[0].endswith("/advisor")]
    assert len(commands) > 3
    assert set(commands) <= COMMANDS.keys()
    makefile = (ROOT / "Makefile").read_text()
    targets = [line[1] for line in words if line[0] == "make"]
    targets += re.findall(r"`make ([\w-]+)`", GUIDE)
    for target in targets:
        assert re.search(rf"^{re.escape(target)}:", makefile, re.MULTILINE), target


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "SECURITY.md", "docs/plugins.md"])
def test_every_link_and_path_of_a_document_leads_somewhere(name):
    path = ROOT / name
    text = path.read_text()
    links = [target for target in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in target]
    places = re.findall(r"`((?:advisor|plugins|tests|docs|studies|benchmarks|\.ci)/[\w./]*)`", text)
    missing = [target for target in links if not (path.parent / target).exists()]
    missing += [place for place in places if not (ROOT / place).exists()]
    assert not missing


def test_the_lowest_versions_are_those_of_pyproject():
    subprocess.run([sys.executable, ROOT / ".ci" / "lowest", "--check"], check=True, timeout=60)


def test_the_changelog_begins_with_the_version_or_what_comes_after_it():
    headings = re.findall(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert advisor.__version__ in headings[:2]
