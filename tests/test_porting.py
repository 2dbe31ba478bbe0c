"""A script of the other library runs with only its import lines changed, as the porting page says."""

from __future__ import annotations

import ast
import importlib

import matplotlib
import numpy as np
import pytest

from notebooks import NBS, read

# The usage that its landing page shows, in our words.
SCRIPT = """\
from pyCRLD.Agents.StrategyActorCritic import stratAC
from pyCRLD.Environments.SocialDilemma import SocialDilemma
from pyCRLD.Utils import FlowPlot as fp
import numpy as np
import matplotlib.pyplot as plt

game = SocialDilemma(R=1.0, T=0.8, S=-0.5, P=0.0)
learners = stratAC(env=game, learning_rates=0.1, discount_factors=0.9)
np.random.seed(0)
start = learners.random_softmax_strategy()
path, rests = learners.trajectory(start, Tmax=10000, tolerance=1e-5)
figure, panels = plt.subplots(1, 2, figsize=(9, 4))
first, second = ([0], [0], [0]), ([1], [0], [0])
drawn = fp.plot_strategy_flow(learners, first, second, use_RPEarrows=False,
                              flowarrow_points=np.linspace(0.01, 0.99, 9), axes=[panels[0]])
fp.plot_trajectories([path], first, second, cols=['purple'], axes=drawn)
panels[1].plot(path[:, 0, 0, 0], label='1')
panels[1].plot(path[:, 1, 0, 0], label='2')
"""


def imports() -> dict[str, str]:
    """Old and new import lines, as the page lists them."""
    for cell in read(NBS / "porting.ipynb").cells:
        if cell.source.startswith("IMPORTS = "):
            return ast.literal_eval(cell.source.removeprefix("IMPORTS = "))
    raise LookupError("nbs/porting.ipynb lists no IMPORTS")


@pytest.fixture(autouse=True)
def no_window():
    matplotlib.use("agg")
    yield
    import matplotlib.pyplot as plt

    plt.close("all")


def test_script_runs_with_only_its_import_lines_changed():
    lines = [imports().get(line, line) for line in SCRIPT.splitlines()]
    changed = [line for line, old in zip(lines, SCRIPT.splitlines(), strict=True) if line != old]
    assert len(changed) == 3 and all("import" in line for line in changed)
    names: dict[str, object] = {}
    state = np.random.get_state()
    try:
        exec("\n".join(lines), names)
    finally:
        np.random.set_state(state)
    path = names["path"]
    assert path.shape == (230, 2, 1, 2) and names["rests"] is True
    np.testing.assert_allclose(path[0, :, 0, 0], [0.796392, 0.220603], atol=5e-7)
    assert path[-1, :, 0, 0].max() < 1e-3


@pytest.mark.parametrize("line", imports().values())
def test_new_import_lines_work(line: str):
    (statement,) = ast.parse(line).body
    assert isinstance(statement, ast.ImportFrom)
    module = importlib.import_module(statement.module or "")
    assert all(alias.name in module.__all__ for alias in statement.names)
