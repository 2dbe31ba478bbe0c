"""Sphinx configuration; tools/docs_source.py makes the sources and says how to build."""

from configparser import ConfigParser
from pathlib import Path

ini = ConfigParser(delimiters=["="])
ini.read(Path(__file__).parent.parent / "settings.ini", encoding="utf-8")
settings = ini["DEFAULT"]

project = settings["title"]
author = settings["author"]
copyright = settings["copyright"]
release = settings["version"]

extensions = ["myst_nb"]
root_doc = "index"
nb_execution_mode = "off"  # pages show the stored outputs, which the tests compare with a run
nb_merge_streams = True
myst_enable_extensions = ["amsmath", "dollarmath"]
myst_heading_anchors = 3
html_theme = "furo"
html_title = project
