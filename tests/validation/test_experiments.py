"""Configurations, checkpoints, the training loop, sweeps and their commands, on a random walk."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import warnings
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")
pytest.importorskip("dacite")

import torch  # noqa: E402

from experiment_toy import Pace, Walk, Walker  # noqa: E402
from pycrld_econ.validation.experiments import checkpoints, commands, config, loop, registry, sweeps  # noqa: E402


@pytest.fixture(autouse=True)
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.KINDS, "toy", "experiment_toy:EXPERIMENT")


def test_configurations_survive_yaml(tmp_path: Path) -> None:
    walk = Walk(3, 7, Pace(0.5, None), (1.0, 2.5))
    config.dump(walk, tmp_path / "c.yaml")
    assert config.load(Walk, tmp_path / "c.yaml") == walk
    assert config.load(Walk, {"seed": 1, "pace": {"length": 2}}).pace == Pace(2.0)


@pytest.mark.parametrize(
    ("mapping", "message"),
    [
        (
            {"seed": 1, "step": 3},
            "unknown key step; known are seed, steps, pace.length, pace.drift, marks, fail",
        ),
        ({"steps": 3}, "seed is missing"),
        ({"seed": "one"}, "seed must be int, got 'one'"),
        ({"seed": True, "pace": {"length": "x"}}, "pace.length must be float, got 'x'"),
        ({"seed": 1, "pace": {"length": -1}}, "length must be > 0, got -1.0"),
    ],
)
def test_mistakes_in_configurations_are_named(mapping: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        config.load(Walk, mapping)


def test_files_that_are_no_configuration_are_refused(tmp_path: Path) -> None:
    for text, message in (
        ("a: [", "not valid YAML"),
        ("- 1", "must hold a mapping"),
        ("!!python/name:os.system", "YAML"),
    ):
        (tmp_path / "c.yaml").write_text(text)
        with pytest.raises(ValueError, match=message):
            config.load(Walk, tmp_path / "c.yaml")


def test_overrides() -> None:
    changes = config.assignments(["seed=4", "pace.length=1e-3", "marks=[1, 2e1]"])
    assert config.load(Walk, config.override({"seed": 1}, changes)) == Walk(4, 20, Pace(1e-3), (1.0, 20.0))
    for texts, message in ((["seed"], "KEY=VALUE, got 'seed'"), (["a=1", "a=2"], "a is given twice")):
        with pytest.raises(ValueError, match=message):
            config.assignments(texts)


def test_differences_are_listed() -> None:
    assert config.differences(Walk(1), Walk(1)) == []
    assert config.differences(Walk(1), Walk(2, pace=Pace(2.0))) == ["seed: 1 -> 2", "pace.length: 1.0 -> 2.0"]


def test_checkpoints_come_back(tmp_path: Path) -> None:
    state = {
        "a": torch.arange(3.0),
        "b": [1, 2.5, None, "x", {"rng": 2**100}],
        "c": np.arange(4, dtype=np.uint64),
    }
    for step in (1, 2, 10):
        checkpoints.save(tmp_path, step, state)
    assert [path.name.split("-")[1] for path in checkpoints.checkpoints(tmp_path)] == [
        "0000000010",
        "0000000002",
    ]
    found = checkpoints.latest(tmp_path)
    assert found is not None and found[0] == 10
    assert found[1]["b"] == state["b"] and torch.equal(found[1]["a"], state["a"])
    assert found[1]["c"].dtype == torch.uint64
    with pytest.raises(TypeError, match=r"state\['f'\]\[0\] must be a tensor, .* got Pace"):
        checkpoints.save(tmp_path, 11, {"f": [Pace()]})
    assert checkpoints.latest(tmp_path / "nothing") is None


@pytest.mark.parametrize("damage", ["cut", "flipped", "empty"])
def test_damaged_checkpoints_are_found(tmp_path: Path, damage: str) -> None:
    checkpoints.save(tmp_path, 1, {"a": torch.ones(50)})
    newest = checkpoints.save(tmp_path, 2, {"a": torch.zeros(50)})
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    newest.write_bytes({"cut": content[: len(content) // 2], "flipped": content, "empty": b""}[damage])
    with pytest.warns(checkpoints.DamagedCheckpointWarning, match="is damaged"):
        found = checkpoints.latest(tmp_path)
    assert found is not None and found[0] == 1 and found[1]["a"].sum() == 50


def contents(run: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(run)): path.read_bytes()
        for path in run.rglob("*")
        if path.is_file() and "tfevents" not in path.name
    }


def test_a_run_is_resumed_exactly(tmp_path: Path) -> None:
    walk = Walk(5, 20)
    whole = loop.train(Walker(walk), tmp_path / "whole", walk, checkpoint_every=3)
    assert whole.status is loop.RunStatus.FINISHED and whole.done == 20

    class Killed(Walker):
        def advance(self):
            if self.done == 11:
                raise KeyboardInterrupt
            return super().advance()

    with pytest.raises(KeyboardInterrupt):
        loop.train(Killed(walk), tmp_path / "cut", walk, checkpoint_every=3)
    with (tmp_path / "cut" / loop.METRICS).open("a") as file:
        file.write("12,0.5")  # a row that was cut off
    resumed = loop.train(Walker(walk), tmp_path / "cut", walk, checkpoint_every=3)
    assert resumed.resumed_at == 9
    assert contents(tmp_path / "cut") == contents(tmp_path / "whole")
    again = loop.train(Walker(walk), tmp_path / "cut", walk)
    assert again.resumed_at == 20 and again.metrics == {}
    assert loop.read_metrics(tmp_path / "cut")["update"] == list(range(1, 21))


def test_runs_that_cannot_go_on_are_left_as_they_are(tmp_path: Path) -> None:
    walk = Walk(5, 20)

    def damaged(name: str, change) -> Path:
        run = tmp_path / name
        loop.train(Walker(walk), run, walk, checkpoint_every=3)
        change(run)
        return run

    def cut(run: Path) -> None:
        for path in checkpoints.checkpoints(run / loop.STATES):
            path.write_bytes(path.read_bytes()[:-9])

    def lose(run: Path) -> None:
        checkpoints.save(run / loop.STATES, 20, {"far": 1.0}, kept=1)

    def scribble(run: Path) -> None:
        lines = (run / loop.METRICS).read_text().splitlines(keepends=True)
        (run / loop.METRICS).write_text("".join([*lines[:3], "3;0.5\n", *lines[4:]]))

    cases = ((cut, "checkpoints has no whole checkpoint: .* is damaged"), (lose, "state of update 20 does not fit"),
             (scribble, "metrics.csv must have rows that begin with the number of an update"))  # fmt: skip
    for change, message in cases:
        run = damaged(change.__name__, change)
        before = contents(run)
        with pytest.raises(ValueError, match=message):
            loop.train(Walker(walk), run, walk)
        assert contents(run) == before


def test_a_run_that_cannot_go_on_is_refused_in_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    typed = ["toy", "walk", "--seed", "3"]
    commands.train(typed)
    for path in checkpoints.checkpoints("runs/toy/walk-small-3/checkpoints"):
        path.write_bytes(b"")
    with pytest.raises(SystemExit) as left:
        commands.train(typed)
    error = capsys.readouterr().err
    assert left.value.code == 2 and "has no whole checkpoint" in error and error.count("\n") == 1


def test_other_runs_are_left_alone(tmp_path: Path) -> None:
    walk = Walk(5, 3)
    loop.train(Walker(walk), tmp_path / "run", walk)
    before = contents(tmp_path / "run")
    other = replace(walk, seed=6)
    with pytest.raises(ValueError, match="another configuration: seed: 5 -> 6"):
        loop.train(Walker(other), tmp_path / "run", other)
    assert contents(tmp_path / "run") == before
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "letter.txt").write_text("dear")
    with pytest.raises(ValueError, match=r"must be a new or empty folder, or one with hparams\.yaml"):
        loop.train(Walker(walk), tmp_path / "full", walk)


def test_an_interruption_saves_and_stops(tmp_path: Path) -> None:
    walk = Walk(5, 20)

    class Interrupted(Walker):
        def advance(self):
            if self.done == 4:
                os.kill(os.getpid(), signal.SIGINT)
            return super().advance()

    before = signal.getsignal(signal.SIGINT)
    result = loop.train(Interrupted(walk), tmp_path / "run", walk)
    assert result.status is loop.RunStatus.INTERRUPTED and result.done == 5
    assert signal.getsignal(signal.SIGINT) is before
    assert loop.train(Walker(walk), tmp_path / "run", walk).resumed_at == 5


KILLED = """
import sys, time
sys.path[:0] = [{tests!r}]
from experiment_toy import Walk, Walker
from pycrld_econ.validation.experiments import loop
walk = Walk(5, 400)
class Slow(Walker):
    def advance(self):
        time.sleep(0.01)
        return super().advance()
loop.train(Slow(walk), {run!r}, walk, checkpoint_every=5)
"""


def test_a_killed_process_loses_nothing_that_was_saved(tmp_path: Path) -> None:
    code = KILLED.format(tests=str(Path(__file__).parents[1]), run=str(tmp_path / "cut"))
    process = subprocess.Popen([sys.executable, "-c", code])
    while len(checkpoints.checkpoints(tmp_path / "cut" / loop.STATES)) < 2:
        assert process.poll() is None
    process.kill()
    process.wait()
    walk = Walk(5, 400)
    assert 0 < loop.train(Walker(walk), tmp_path / "cut", walk).resumed_at < 400
    loop.train(Walker(walk), tmp_path / "whole", walk)
    mine, theirs = contents(tmp_path / "cut"), contents(tmp_path / "whole")
    newest = max(name for name in theirs if "checkpoint-" in name)
    assert mine[newest] == theirs[newest] and mine[loop.METRICS] == theirs[loop.METRICS]


def test_products_and_their_mistakes() -> None:
    cells = sweeps.product({"seed": [1, 2], "pace.length": [0.5, 1.0]})
    assert [cell.name for cell in cells][:2] == ["seed=1,pace.length=0.5", "seed=1,pace.length=1.0"]
    assert len({cell.name for cell in sweeps.product({"a": ["x/y", "x y"]})}) == 2
    for vary, message in (({"a": 3}, "a must have a list"), ({"a": [1, 1]}, "a must not have a value twice")):
        with pytest.raises(ValueError, match=message):
            sweeps.product(vary)


def test_the_commands_train_sweep_evaluate_and_report(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.train(["toy", "walk", "--seed", "3", "pace.length=2"]) == 0
    run = Path("runs/toy/walk-small-3")
    assert "20 steps, all updates are made" in capsys.readouterr().out
    assert commands.evaluate([str(run)]) == 0
    far = capsys.readouterr().out
    assert far == f"far {loop.read_metrics(run)['far'][-1]:.17g}\n"
    Path("s.yaml").write_text("base: walk\nvary: {seed: [3, 4], pace.length: [2]}\n")
    assert commands.sweep(["toy", "s.yaml", "--processes", "1"]) == 0
    cells = sorted(Path("runs/toy/s").iterdir())
    assert [cell.name for cell in cells] == ["seed=3,pace.length=2", "seed=4,pace.length=2"]
    capsys.readouterr()
    commands.evaluate([str(cells[0])])
    assert capsys.readouterr().out == far
    assert commands.report(["toy", *map(str, cells), "--out", "r"]) == 0
    assert Path("r/table.txt").read_text().startswith(far.strip())


def test_learning_that_diverges_ends_in_one_line(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    assert commands.train(["toy", "walk", "--seed", "3", "pace.length=1e9"]) == 1
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "walk-small-3: learning diverged: the pace is too fast" in error


def test_a_failing_cell_does_not_stop_a_sweep(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("base: {seed: 1}\nvary: {fail: [true, false]}\n")
    assert commands.sweep(["toy", "s.yaml", "--processes", "1"]) == 1
    assert "failed: ArithmeticError: fell over" in capsys.readouterr().out
    assert loop.read_metrics("runs/toy/s/fail=False")["update"][-1] == 20


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        (["toy", "stroll"], "NAME must be a .yaml file or one of walk, got 'stroll'"),
        (["toy", "walk", "--size", "huge"], "--size must be one of small, large, got 'huge'"),
        (["toy", "walk", "pace.width=1"], "unknown key width"),
        (["toy", "walk", "seed=x"], "seed must be int, got 'x'"),
        (["toy", "missing.yaml"], "No such file"),
        (["tea", "walk"], "invalid choice: 'tea'"),
    ],
)
def test_mistakes_on_the_command_line(
    tmp_path: Path, monkeypatch, capsys, typed: list[str], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        commands.train(typed)
    error = capsys.readouterr().err
    assert left.value.code == 2 and message in error and error.count("\n") == 1
    assert not list(tmp_path.iterdir())


def test_a_missing_library_is_named(monkeypatch, capsys) -> None:
    monkeypatch.setitem(registry.KINDS, "toy", "no_such_library.module:EXPERIMENT")
    with pytest.raises(SystemExit):
        commands.train(["toy", "walk"])
    assert "toy needs no_such_library: pip install 'pycrld_econ[training]'" in capsys.readouterr().err


def test_evaluate_wants_a_run(tmp_path: Path, capsys) -> None:
    with pytest.raises(SystemExit):
        commands.evaluate([str(tmp_path)])
    assert "RUN must be a folder that `pycrld-econ train` made" in capsys.readouterr().err


def test_no_warnings_in_a_plain_run(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", checkpoints.DamagedCheckpointWarning)
        loop.train(Walker(Walk(1, 3)), tmp_path / "run", Walk(1, 3))
