"""The command line: what it draws and lists, what it refuses and how, commands of other packages."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import pycrld_econ
from pycrld_econ.agents.catalogue import learners
from pycrld_econ.cli import COMMANDS, main
from pycrld_econ.environments.catalogue import games

SIGNATURES = {".png": b"\x89PNG\r\n\x1a\n", ".pdf": b"%PDF-", ".svg": b"<?xml"}
QUICK = ["--trajectories", "1", "--steps", "20"]


@pytest.fixture(autouse=True)
def in_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The line on stderr, of a call that must end with code 2, print nothing else and leave no file."""
    before = sorted(os.listdir())
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 2
    out, err = capsys.readouterr()
    assert out == "" and err.endswith("\n") and err.count("\n") == 1
    assert err.startswith("pycrld-econ")
    assert sorted(os.listdir()) == before
    return err


# The main job


def test_portrait_without_options_finds_what_the_readme_game_has(capsys: pytest.CaptureFixture[str]):
    assert main(["portrait"]) == 0
    out, err = capsys.readouterr()
    assert err == "" and out.count("\n") == 1
    assert out.startswith("portrait.png: actor-critic in SocialDilemma_0.8_1.0_0.0_-0.5, 3 trajectories")
    assert re.search(r"2 sinks \(0, 0\) \(1, 1\)|2 sinks \(1, 1\) \(0, 0\)", out)
    assert "1 saddle (0.714, 0.714)" in out and "2 sources" in out
    assert os.listdir() == ["portrait.png"]


@pytest.mark.parametrize("suffix", [".png", ".pdf", ".svg", ".PNG"])
def test_portrait_is_written_in_the_format_of_its_suffix(suffix: str):
    assert main(["portrait", *QUICK, "--out", f"figure{suffix}"]) == 0
    assert Path(f"figure{suffix}").read_bytes().startswith(SIGNATURES[suffix.lower()])


def test_portrait_replaces_a_file_and_works_in_a_folder_with_spaces():
    folder = Path("a folder")
    folder.mkdir()
    target = folder / "my portrait.png"
    target.write_text("old")
    assert main(["portrait", *QUICK, "--out", str(target)]) == 0
    assert target.read_bytes().startswith(SIGNATURES[".png"])
    assert os.listdir(folder) == ["my portrait.png"]


def test_same_seed_same_bytes_and_another_seed_others():
    for name, seed in (("a.png", "5"), ("b.png", "5"), ("c.png", "6")):
        main(["portrait", "--seed", seed, "--steps", "50", "--out", name])
    a, b, c = (Path(name).read_bytes() for name in ("a.png", "b.png", "c.png"))
    assert a == b != c


@pytest.mark.parametrize("name", games())
def test_every_game_can_be_drawn_or_says_why_not(name: str, capsys: pytest.CaptureFixture[str]):
    parameters = {"two-by-two": ["A=3,0,5,1"]}.get(name, [])
    arguments = ["portrait", "--game", name, *QUICK, "--fixed-points", "none"]
    arguments += ["--param", *parameters] if parameters else []
    try:
        assert main(arguments) == 0
    except SystemExit as leaving:
        assert leaving.code == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1 and ("conditions" in err or "--states" in err)
        assert main([*arguments, "--states", "0", "1"]) == 0
    assert os.listdir() == ["portrait.png"]


@pytest.mark.parametrize("name", learners())
def test_every_learner_can_be_drawn(name: str, capsys: pytest.CaptureFixture[str]):
    assert main(["portrait", "--learner", name, *QUICK]) == 0
    assert f"{name} in SocialDilemma" in capsys.readouterr().out


def test_parameters_reach_the_game_and_the_learner(capsys: pytest.CaptureFixture[str]):
    main(["portrait", *QUICK, "--param", "R=3", "T=5", "--param", "S=0", "P=1"])
    assert "SocialDilemma_5_3_1_0" in capsys.readouterr().out
    # In a prisoner's dilemma only defection attracts.
    main(["portrait", "--game", "prisoners-dilemma"])
    assert "1 sink (0, 0)" in capsys.readouterr().out
    main(["portrait", "--learning-rate", "0", "--fixed-points", "none"])
    assert "3 trajectories (all come to rest)" in capsys.readouterr().out
    main(["portrait", "--learning-rate", "0.1,0.3", "--discount", "0.1,0.2", *QUICK, "--prefactor"])
    main(["portrait", "--trajectories", "0", "--fixed-points", "none"])
    assert "no trajectories" in capsys.readouterr().out


# What it refuses


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--game", "stag-hint"], "unknown game 'stag-hint'; did you mean 'stag-hunt'?"),
        (["--learner", "actor-kritic"], "unknown learner 'actor-kritic'; did you mean 'actor-critic'?"),
        (["--param", "Q=1"], "unknown parameter 'Q' of social-dilemma; it has R, T, S, P"),
        (["--game", "two-by-two"], "missing parameter 'A'"),
        (["--param", "R=much"], "R must be a real number, got 'much'"),
        (["--param", "R=nan"], "R"),
        (["--param", "R"], "must be NAME=VALUE, got 'R'"),
        (["--param", "R="], "must be NAME=VALUE, got 'R='"),
        (["--param", "=1"], "must be NAME=VALUE, got '=1'"),
        (["--param", "R=1", "R=2"], "--param gives R twice"),
        (["--game", "risk-reward", "--param", "pc=1.5"], "pc must be in [0, 1], got 1.5"),
        (["--game", "public-good", "--param", "N=40"], "memory"),
        (["--learning-rate", "-1"], "--learning-rate must lie in [0, inf), got -1"),
        (["--learning-rate", "fast"], "must be a number, or numbers separated by commas, got 'fast'"),
        (["--learning-rate", "0.1,0.2,0.3"], "--learning-rate must be a number or hold 2 numbers"),
        (["--discount", "1"], "--discount must lie in [0, 1), got 1"),
        (["--discount", "-0.1"], "--discount must lie in [0, 1), got -0.1"),
        (["--discount", "nan"], "--discount must lie in [0, 1)"),
        (["--choice-intensity", "-2"], "--choice-intensity must lie in [0, inf), got -2"),
        (["--seed", "-3"], "must be a whole number of at least 0, got '-3'"),
        (["--seed", "x"], "must be a whole number of at least 0, got 'x'"),
        (["--steps", "0"], "--steps must be at least 1, got 0"),
        (["--states", "3"], "--states must be in 0 … 0, got 3"),
        (["--out", "portrait.bmp"], "--out 'portrait.bmp' has the suffix '.bmp'"),
        (["--out", "portrait"], "--out 'portrait' has the suffix ''"),
        (
            ["--out", "nowhere/portrait.png"],
            "--out 'nowhere/portrait.png' cannot be written: there is no folder 'nowhere'",
        ),
        (["--colour", "red"], "unrecognized arguments: --colour red"),
        (["--gam", "chicken"], "unrecognized arguments: --gam chicken"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_portrait_refuses_in_one_line(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]):
    err = refusal(["portrait", *arguments], capsys)
    assert said in err
    assert err.startswith("pycrld-econ portrait: ")


def test_path_that_is_a_folder_is_refused(capsys: pytest.CaptureFixture[str]):
    Path("folder.png").mkdir()
    assert "is a folder" in refusal(["portrait", "--out", "folder.png"], capsys)


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may write everywhere")
def test_folder_without_permission_is_refused(capsys: pytest.CaptureFixture[str]):
    Path("closed").mkdir(mode=0o500)
    assert "closed" in refusal(["portrait", "--out", "closed/portrait.png"], capsys)


def test_path_is_checked_before_anything_is_computed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(
        "pycrld_econ.environments.catalogue.build", lambda *_: pytest.fail("built a game first")
    )
    refusal(["portrait", "--out", "nowhere/portrait.png"], capsys)


def test_old_file_stays_when_the_work_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    Path("portrait.png").write_text("old")

    def fail(*arguments: object, **options: object) -> None:
        raise ValueError("starts are not to my taste")

    monkeypatch.setattr("pycrld_econ.plots.portrait.plot_portrait", fail)
    assert "--trajectories are not to my taste" in refusal(["portrait"], capsys)
    assert Path("portrait.png").read_text() == "old"


@pytest.mark.parametrize("arguments", [[], ["draw"], ["Portrait"], ["--nothing"]], ids=" ".join)
def test_unknown_command_is_refused(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    refusal(arguments, capsys)


def test_unknown_command_has_a_hint(capsys: pytest.CaptureFixture[str]):
    err = refusal(["portrayt"], capsys)
    assert "did you mean 'portrait'?" in err and "portrait, games, learners" in err


# Lists and help


def test_games_lists_every_game_with_parameters_and_defaults(capsys: pytest.CaptureFixture[str]):
    assert main(["games"]) == 0
    blocks = capsys.readouterr().out.rstrip("\n").split("\n\n")
    assert [block.split(":")[0] for block in blocks] == list(games())
    for block, entry in zip(blocks, games().values(), strict=True):
        lines = block.split("\n")
        assert entry.description in lines[0]
        for line, (name, parameter) in zip(lines[1:], entry.parameters.items(), strict=True):
            assert line.lstrip().startswith(name) and line.endswith(parameter.meaning)
            assert ("(required)" in line) == parameter.required


def test_shown_defaults_can_be_typed(capsys: pytest.CaptureFixture[str]):
    from pycrld_econ.environments.catalogue import build

    main(["games"])
    for block in capsys.readouterr().out.rstrip("\n").split("\n\n"):
        name = block.split(":")[0]
        typed = [line.split()[0] for line in block.split("\n")[1:]]
        if not any(parameter.required for parameter in games()[name].parameters.values()):
            shown = dict(pair.split("=") for pair in typed if "=" in pair)
            assert build(name, shown).T.shape == build(name).T.shape


def test_games_shows_the_chosen_ones(capsys: pytest.CaptureFixture[str]):
    assert main(["games", "chicken", "stag_hunt"]) == 0
    out = capsys.readouterr().out
    assert out.count("\n\n") == 1 and out.startswith("chicken: ") and "R=4" in out
    assert "unknown game 'golf'" in refusal(["games", "golf"], capsys)


def test_learners_lists_every_learner(capsys: pytest.CaptureFixture[str]):
    assert main(["learners"]) == 0
    assert [line.split(":")[0] for line in capsys.readouterr().out.splitlines()] == list(learners())


def test_version(capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as leaving:
        main(["--version"])
    assert leaving.value.code == 0
    assert capsys.readouterr().out == f"pycrld-econ {pycrld_econ.__version__}\n"


@pytest.mark.parametrize("arguments", [["--help"], *([name, "-h"] for name in COMMANDS)], ids=" ".join)
def test_help_shows_examples(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as leaving:
        main(arguments)
    assert leaving.value.code == 0
    assert "\nexamples:\n  pycrld-econ " in capsys.readouterr().out


EXAMPLES = [line.split()[1:] for command in COMMANDS.values() for line in command.examples.splitlines()[1:]]


@pytest.mark.parametrize("arguments", EXAMPLES, ids=" ".join)
def test_examples_of_the_help_work(arguments: list[str], capsys: pytest.CaptureFixture[str]):
    assert main(arguments) == 0
    assert capsys.readouterr().out


# Commands of other packages


@pytest.fixture
def other_package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package installed beside this one that brings the commands greet, broken and portrait."""
    site = tmp_path_factory.mktemp("site")
    (site / "greeter.py").write_text(
        'def greet(arguments):\n    "say hello"\n    print("hello", *arguments)\n    return 3\n'
    )
    info = site / "greeter-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: greeter\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(
        "[pycrld_econ.commands]\ngreet = greeter:greet\nbroken = not_there:run\nportrait = greeter:greet\n"
    )
    monkeypatch.syspath_prepend(site)
    monkeypatch.delitem(sys.modules, "greeter", raising=False)
    return site


def test_command_of_another_package_runs(other_package: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["greet", "--loud", "you"]) == 3
    assert capsys.readouterr().out == "hello --loud you\n"


def test_commands_of_other_packages_are_in_the_help(other_package: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit):
        main(["--help"])
    out = capsys.readouterr().out
    assert re.search(r"^  greet +say hello$", out, re.MULTILINE)
    assert re.search(r"^  broken +\(not usable: No module named 'not_there'\)$", out, re.MULTILINE)


def test_other_package_is_imported_only_when_asked_for(
    other_package: Path, capsys: pytest.CaptureFixture[str]
):
    main(["games", "chicken"])
    capsys.readouterr()
    assert "greet" in refusal(["greets"], capsys)
    assert "greeter" not in sys.modules


def test_own_command_cannot_be_replaced(other_package: Path, capsys: pytest.CaptureFixture[str]):
    main(["portrait", *QUICK])
    assert capsys.readouterr().out.startswith("portrait.png: ")


def test_broken_command_is_told_in_one_line(other_package: Path, capsys: pytest.CaptureFixture[str]):
    assert "No module named 'not_there'" in refusal(["broken"], capsys)


# As a program


def run(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False
    )


IMPORTED = (
    "import sys; from pycrld_econ.cli import main\ntry: main(sys.argv[1:])\nfinally: print(*sys.modules)"
)


def test_first_portrait_waits_for_no_compiler():
    loaded = set(run(IMPORTED, "portrait").stdout.splitlines()[-1].split())
    assert "matplotlib.figure" in loaded
    assert loaded.isdisjoint({"numba", "torch", "sympy", "pandas", "IPython"})


def test_help_needs_neither_numpy_nor_matplotlib():
    loaded = set(run(IMPORTED, "portrait", "--help").stdout.splitlines()[-1].split())
    assert loaded.isdisjoint({"numpy", "matplotlib"})


def test_reader_that_leaves_early_is_no_error():
    program = "import sys; from pycrld_econ.cli import main; sys.exit(main(['games']))"
    pipe = ["bash", "-o", "pipefail", "-c", f'"{sys.executable}" -c "{program}" | head -n 1']
    done = subprocess.run(pipe, capture_output=True, text=True, check=False)
    assert done.stderr == "" and done.returncode == 0
