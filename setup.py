"""Build: settings.ini gives version and requirements, validation/ installs as pycrld_econ.validation."""

import shlex
from configparser import ConfigParser
from pathlib import Path

from setuptools import find_packages, setup

ini = ConfigParser(delimiters=["="])
ini.read(Path(__file__).parent / "settings.ini", encoding="utf-8")
cfg = ini["DEFAULT"]

# The committed link pycrld_econ/validation would list the sampled half a second time.
theory = [
    p
    for p in find_packages(include=["pycrld_econ", "pycrld_econ.*"])
    if not p.startswith("pycrld_econ.validation")
]
sampled = ["pycrld_econ.validation", *("pycrld_econ.validation." + p for p in find_packages("validation"))]

extras = ("dev", "docs", "symbolic", "adapters", "shaping", "training")

setup(
    version=cfg["version"],
    packages=theory + sampled,
    package_dir={"pycrld_econ": "pycrld_econ", "pycrld_econ.validation": "validation"},
    package_data={
        "pycrld_econ": ["py.typed"],
        "pycrld_econ.shaping": ["*.yaml"],
        "pycrld_econ.validation": ["**/*.yaml"],
    },
    install_requires=shlex.split(cfg["requirements"]),
    extras_require={extra: shlex.split(cfg[f"{extra}_requirements"]) for extra in extras},
)
