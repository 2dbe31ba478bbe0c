"""What is said twice is said alike: version, README commands, licence."""

from __future__ import annotations

import re
from configparser import ConfigParser

import pycrld_econ
from notebooks import ROOT


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def test_version_is_the_same_everywhere():
    ini = ConfigParser(delimiters=["="])
    ini.read(ROOT / "settings.ini", encoding="utf-8")
    version = ini["DEFAULT"]["version"]
    assert pycrld_econ.__version__ == version
    assert re.search(r"^version: (.*)$", text("CITATION.cff"), re.MULTILINE)[1] == version
    assert f"## [{version}]" in text("CHANGELOG.md")


def test_readme_holds_the_two_commands():
    commands = re.findall(
        r"^<!-- command: (\w+) -->\n```sh\n(.*?)\n```$", text("README.md"), re.MULTILINE | re.DOTALL
    )
    assert [name for name, _ in commands] == ["portrait", "tests"]
    assert text("README.md").count("```sh") == 2


def test_links_of_the_readme_lead_somewhere():
    links = re.findall(r"\]\((?!https?:)([^)]+)\)", text("README.md"))
    assert len(links) > 10
    assert [link for link in links if not (ROOT / link).exists()] == []
