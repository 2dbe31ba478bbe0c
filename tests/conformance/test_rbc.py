"""The real-business-cycle economy against recordings of the original kernels, and its exact counterparts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numba import cuda

from pycrld_econ.agents import StrategyActorCritic
from pycrld_econ.validation.learners.tabular import BatchLearner
from pycrld_econ.validation.simulators.rbc import (
    Compat,
    Economy,
    EconomyConfig,
    Grids,
    World,
    analytic,
    exact,
)

ONE_STEP = {"f64": 1e-12, "f32": 3e-6}
FREE_RUNNING = {"f64": 1e-10, "f32": 5e-4}
DTYPES = {"f64": "float64", "f32": "float32"}


class Recording:
    """A recorded run of the original step."""

    def __init__(self, data: dict[str, np.ndarray]) -> None:
        self.data, c = data, json.loads(str(data["config"]))
        self.envs, self.steps = int(c["B"]), int(c["T"])
        world = World(
            maxtime=self.steps,
            initial_prices=c["initial_prices"],
            initial_wages=c["initial_wages"],
            initial_stocks=c["initial_stocks"],
            initial_consumer_endowment=c["initial_consumer_endowment"],
            initial_firm_endowment=c["initial_firm_endowment"],
            initial_capital=c["initial_capital"],
            interest_rate=c["interest_rate"],
            consumer_theta=c["consumer_theta"],
            paretoscaletheta=c["pareto"],
            crra_param=c["crra_param"],
            production_alpha=c["production_alpha"],
            importer_price=c["importer_price"],
            importer_quantity=c["importer_quantity"],
            use_importer=bool(c["use_importer"]),
            labor_floor=c["labor_floor"],
            should_boost_firm_reward=bool(c["should_boost_firm_reward"]),
            boost_firm_reward_factor=c["boost_firm_reward_factor"],
            technology=c["technology"],
        )
        grids = Grids(
            tuple(data["consumption_table"].tolist()),
            tuple(data["work_table"].tolist()),
            tuple(map(tuple, data["firm_table"].tolist())),
            tuple(map(tuple, data["government_table"].tolist())),
        )
        self.config = EconomyConfig(int(c["NC"]), int(c["NF"]), world, grids, Compat.original())

    def actions(self, t: int) -> tuple[np.ndarray, ...]:
        d = self.data
        demand = np.ascontiguousarray(np.moveaxis(d["a_consume"][:, t], 1, 2))
        rest = (d["a_work"], d["a_which"], d["a_firm"], d["a_government"])
        return (demand, *(np.ascontiguousarray(array[:, t]) for array in rest))

    def put(self, economy: Economy, kind: str, t: int) -> None:
        """Load the recorded state before step t."""
        d, firms, state = self.data, self.config.num_firms, economy.snapshot()
        public = d[f"{kind}_global"][:, t]
        for k, name in enumerate(("price", "wage", "stock", "rationed")):
            state[name] = public[:, k * firms : (k + 1) * firms]
        state |= {"tax": public[:, -3:-1], "time": public[:, -1]}
        consumer, firm = d[f"{kind}_consumer_private"][:, t], d[f"{kind}_firm_private"][:, t]
        state |= {"budget": consumer[..., 0], "theta": consumer[..., 1]}
        state |= {"firm_budget": firm[..., 0], "capital": firm[..., 1]}
        economy.load(state)
        # The original's alpha is rounded to single precision also where it computes in double.
        economy.constants.alpha[:] = firm[0, :, 2]

    def check(self, economy: Economy, found: Any, kind: str, t: int, tolerance: float) -> None:
        """Compare what came out of step t."""
        d = self.data
        public = economy.public()
        flags = slice(3 * self.config.num_firms, 4 * self.config.num_firms)
        if kind == "f32":  # a flag may flip where demand and stock agree to rounding
            public[:, flags] = d["f32_global"][:, t + 1][:, flags]
        state = economy.snapshot()
        pairs = [
            (public, d[f"{kind}_global"][:, t + 1], 1.0),
            (np.moveaxis(found.consumption, 1, 2), d[f"{kind}_consumer_aux"][:, t], 1.0),
            (found.exported, d[f"{kind}_firm_aux"][:, t], 1.0),
            (found.consumer_reward, d[f"{kind}_consumer_reward"][:, t], 1.0),
            (found.firm_reward, d[f"{kind}_firm_reward"][:, t], 1e4),
            (state["budget"], d[f"{kind}_consumer_private"][:, t + 1, :, 0], 1e3),
            (state["firm_budget"], d[f"{kind}_firm_private"][:, t + 1, :, 0], 1e4),
            (state["capital"], d[f"{kind}_firm_private"][:, t + 1, :, 1], 1e2),
        ]
        for mine, theirs, scale in pairs:
            assert np.all(np.abs(mine - theirs) <= tolerance * (np.abs(theirs) + scale))


def recordings(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.glob("step_*.npz")):
        with np.load(path, allow_pickle=False) as data:
            yield path.stem, Recording(dict(data))


@pytest.mark.reference("rbc", recordings)
@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_each_step_from_the_recorded_state(case: Recording, kind: str) -> None:
    economy = Economy(case.config, case.envs, dtype=DTYPES[kind])
    for t in range(case.steps):
        case.put(economy, kind, t)
        case.check(economy, economy.step(*case.actions(t)), kind, t, ONE_STEP[kind])


@pytest.mark.reference("rbc", recordings)
@pytest.mark.parametrize("kind", ["f64", "f32"])
def test_whole_episodes(case: Recording, kind: str) -> None:
    economy = Economy(case.config, case.envs, dtype=DTYPES[kind])
    before = economy.snapshot()
    case.put(economy, kind, 0)
    for name, array in economy.snapshot().items():
        np.testing.assert_allclose(before[name], array, rtol=1e-6 if name == "theta" else 1e-7)
    for t in range(case.steps):
        case.check(economy, economy.step(*case.actions(t)), kind, t, FREE_RUNNING[kind])


def check_on_cuda(folder: str) -> None:
    """Two steps of two recordings, in both precisions; run in numba's simulator by the test below."""
    for name in ("step_00_2x1_default", "step_03_8x3_laborfloor"):
        with np.load(Path(folder, f"{name}.npz"), allow_pickle=False) as data:
            case = Recording(dict(data))
        for kind in ("f64", "f32"):
            economy = Economy(case.config, case.envs, dtype=DTYPES[kind], device="cuda")
            for t in range(2):
                case.put(economy, kind, t)
                economy._there = type(economy.constants)(*map(cuda.to_device, economy.constants))
                case.check(economy, economy.step(*case.actions(t)), kind, t, ONE_STEP[kind])


@pytest.mark.reference("rbc", lambda folder: [(folder.name, folder)] if any(folder.glob("step_03*")) else [])
def test_recorded_steps_on_cuda(case: Path) -> None:
    here = str(Path(__file__).parent)
    code = f"import sys; sys.path[:0] = [{here!r}]; import test_rbc as t; t.check_on_cuda({str(case)!r}); print('done')"
    search = os.pathsep.join([str(Path(here).parents[1]), str(Path(here).parent)])
    environment = {
        **os.environ,
        "NUMBA_ENABLE_CUDASIM": "1",
        "PYTHONWARNINGS": "ignore",
        "PYTHONPATH": search,
    }
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, timeout=300
    )
    assert run.returncode == 0 and run.stdout.strip() == "done", run.stderr


@pytest.mark.reference("rbc", recordings)
def test_published_layouts(case: Recording) -> None:
    if "f64_full_consumer_states" not in case.data:
        return
    economy = Economy(case.config, case.envs, dtype="float64")
    for t in range(case.steps):
        case.put(economy, "f64", t)
        for name in ("consumer", "firm", "government"):
            found = getattr(economy, f"{name}_states")()
            np.testing.assert_allclose(found, case.data[f"f64_full_{name}_states"][:, t], rtol=1e-7)


EXACT = {"rtol": 1e-12, "atol": 1e-12}


class Tiny:
    """A recorded exact instance."""

    def __init__(self, data: dict[str, np.ndarray]) -> None:
        given = json.loads(str(data["config"])) if "config" in data else {"defaults": TINY, "overrides": {}}
        self.data, c = data, given["defaults"] | given["overrides"]
        theta = c["theta"]
        world = World(
            interest_rate=c["interest"],
            consumer_theta=theta[0],
            paretoscaletheta=4.0 if len(theta) > 1 else None,
            crra_param=c["eta"],
            production_alpha=c["alpha"],
            initial_capital=c["K"],
            use_importer=bool(c["use_imp"]),
            importer_price=c["imp_price"],
            importer_quantity=c["imp_q"],
        )
        grids = Grids(*(tuple(map(float, c[key])) for key in ("cons", "work")),
                      *(tuple(tuple(map(float, row)) for row in c[key]) for key in ("firm", "gov")))  # fmt: skip
        self.config = EconomyConfig(c["NC"], c["NF"], world, grids, Compat.original())
        np.testing.assert_allclose(self.config.thetas(), theta, rtol=1e-15)
        self.budgets, self.stocks = np.array(c["bgrid"], float), np.array(c["ygrid"], float)
        self.agents = c["NC"] + c["NF"] + 1

    def grid_game(self) -> exact.GridGame:
        return exact.grid_game(self.config, self.budgets, self.stocks)

    def policies(self) -> list[np.ndarray]:
        return [self.data[f"X{i}"] for i in range(self.agents)]


TINY = {
    "NC": 2, "NF": 1, "cons": [0, 1], "work": [0, 100], "firm": [[100, 1, 0], [100, 2, 0], [200, 1, 0], [200, 2, 0]],
    "gov": [[0, 0], [0.5, 0.5]], "bgrid": [0, 200], "ygrid": [0, 1, 2], "alpha": 1.0, "K": 1.0,
    "theta": [0.01, 0.01 * 0.5**0.25], "eta": 0.1, "interest": 0.0, "use_imp": 0, "imp_price": 500.0, "imp_q": 100.0,
}  # fmt: skip


def tiny(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.glob("tiny_*.npz")):
        with np.load(path, allow_pickle=False) as data:
            yield path.stem, Tiny(dict(data))


@pytest.mark.reference("rbc", tiny)
def test_grid_games(case: Tiny) -> None:
    game, d = case.grid_game(), case.data
    assert game.state_dims == tuple(d["state_dims"]) and game.action_dims == tuple(d["action_dims"])
    np.testing.assert_array_equal(game.joint_actions, d["joint_actions"])
    np.testing.assert_allclose(game.rewards, d["R"], **EXACT)
    theirs = exact.GridGame(
        game.state_dims, game.action_dims, game.joint_actions, d["R"], d["succ"], d["weight"]
    )
    np.testing.assert_allclose(game.transition(), theirs.transition(), **EXACT)


@pytest.mark.reference("rbc", tiny)
def test_values_and_best_responses(case: Tiny) -> None:
    game, policies, gamma = case.grid_game(), case.policies(), float(case.data["gamma"])
    np.testing.assert_allclose(
        exact.values(game, policies, gamma), case.data["V_of_X"], rtol=1e-10, atol=1e-10
    )
    for key in (key for key in case.data if key.startswith("BR_value_")):
        agent = int(key.removeprefix("BR_value_"))
        policy, value = exact.best_response(game, policies, agent, gamma)
        np.testing.assert_allclose(value, case.data[key], rtol=1e-10, atol=1e-10)
        rewards, transition = exact.response_rewards(game, policies, agent)
        gains = rewards + gamma * transition @ value
        states = np.arange(len(value))
        theirs = case.data[f"BR_policy_{agent}"]
        np.testing.assert_allclose(gains[states, policy], gains[states, theirs], rtol=1e-9, atol=1e-9)


@pytest.mark.reference("rbc", tiny)
def test_learning_on_grid_games(case: Tiny) -> None:
    rule = json.loads(str(case.data["crld"]))
    env = case.grid_game().game(tuple(rule["reward_scale"]))
    learner = StrategyActorCritic(env, rule["alpha"], rule["gamma"], use_prefactor=True)
    X = np.zeros((env.N, env.Z, env.M))
    for agent, policy in enumerate(case.policies()):
        X[agent, :, : policy.shape[1]] = policy
    wanted = sorted({int(key.split("_")[1][4:]) for key in case.data if key.startswith("crld_step")})
    for t in range(1, wanted[-1] + 1):
        X, _ = learner.step(X)
        if t in wanted:
            for agent in range(env.N):
                theirs = case.data[f"crld_step{t}_X{agent}"]
                np.testing.assert_allclose(X[agent, :, : theirs.shape[1]], theirs, rtol=0, atol=1e-10)


@pytest.mark.reference("rbc", tiny)
def test_sampled_learning_on_grid_games_has_the_ideal_limit(case: Tiny) -> None:
    """The error of an update, weighted by how often states occur, falls as the root of the batch; seeds are fixed.

    Samples come from the tensors, which the simulator's step enumerated, and not from the simulator with projected
    states: they are distributed alike, and there is no grid to be exhausted. The largest distance over states, which
    the protocol asks for, does not fall where states never occur, as 43 of one instance: no batch tells of them.
    """
    rule = json.loads(str(case.data["crld"]))
    env = case.grid_game().game(tuple(rule["reward_scale"]))
    dynamics = StrategyActorCritic(env, rule["alpha"], rule["gamma"], use_prefactor=True)
    X = np.zeros((env.N, env.Z, env.M))
    for agent, policy in enumerate(case.policies()):
        X[agent, :, : policy.shape[1]] = policy
    ideal, often = dynamics.step(X)[0], np.asarray(dynamics.Ps(X))
    errors, sizes = [], (8_000, 32_000, 128_000)
    for size in sizes:
        learner = BatchLearner(dynamics, size, start=often, threads=1)
        distance = 0.5 * np.abs(learner.one_update(X, 12, 1) - ideal).sum(-1)
        errors.append(np.sqrt(((distance**2).mean((0, 1)) * often).sum()))
    slope = np.polyfit(np.log(sizes), np.log(errors), 1)[0]
    assert -0.6 < slope < -0.4


def trees(folder: Path) -> Iterator[tuple[str, Any]]:
    for path in sorted(folder.glob("tree_*.npz")):
        with np.load(path, allow_pickle=False) as data:
            yield path.stem, Tiny(dict(data))


@pytest.mark.reference("rbc", trees)
def test_reachable_trees(case: Tiny) -> None:
    d, consumers = case.data, case.config.num_consumers
    s0 = d["s0"]
    names = ("price", "wage", "stock", "rationed")
    start = {name: s0[None, k : k + 1] for k, name in enumerate(names)}
    start |= {"tax": s0[None, 4:6], "budget": s0[None, 6 : 6 + consumers]}
    start |= {"firm_budget": s0[None, -2:-1], "capital": s0[None, -1:]}
    tree = exact.reachable_tree(case.config, start, len(d["n_states"]) - 1)
    assert [len(level) for level in tree.levels] == d["n_states"].tolist()
    first, second = (level[np.lexsort(level.T[::-1])] for level in tree.levels[1:3])
    np.testing.assert_allclose(first, d["level1"], **EXACT)
    np.testing.assert_allclose(second[: len(d["level2_sorted"])], d["level2_sorted"], rtol=1e-11, atol=1e-11)
    np.testing.assert_allclose(tree.levels[1][tree.successors[0]], d["level1"][d["next0"]], **EXACT)
    np.testing.assert_allclose(tree.rewards[0], d["reward0"], **EXACT)
    gamma = float(d["gamma"])
    np.testing.assert_allclose(tree.uniform_return(gamma), d["uniform_return"], rtol=1e-11)
    assert tree.best_total(gamma, consumers) == pytest.approx(
        float(d["max_total_consumer_return"]), rel=1e-11
    )


def closed_forms(folder: Path) -> Iterator[tuple[str, Any]]:
    if (folder / "analytic.json").exists():
        yield "analytic", json.loads((folder / "analytic.json").read_text())


@pytest.mark.reference("rbc", closed_forms)
def test_closed_forms(case: dict[str, Any]) -> None:
    h = case["hansen"]
    found = analytic.hansen(h["beta"], h["alpha_capital"], h["delta"], h["B"], h["rho"])
    for name, key in (("capital", "k"), ("hours", "h"), ("consumption", "c"), ("output", "y")):
        assert getattr(found, name) == pytest.approx(h["steady"][key], rel=1e-9)
    for name, key in (("next_capital_on", "k_next"), ("consumption_on", "c"), ("hours_on", "h")):
        np.testing.assert_allclose(getattr(found, name), [h[key]["k"], h[key]["z"]], rtol=1e-7)
    b = case["brock_mirman"]
    steady = b["kss"]
    assert analytic.brock_mirman(steady, b["alpha"], b["beta"]) == pytest.approx(steady, rel=1e-9)
    for row in case["firm_table"]:
        plan = analytic.export_only(row["K"], row["alpha"], 2500.0, 11.0)
        assert plan.labour == pytest.approx(row["export_L_w11"], rel=1e-9)
        assert plan.profit == pytest.approx(row["export_profit_w11"], rel=1e-9)
        other = analytic.export_only(row["K"], row["alpha"], 2500.0, 22.0)
        assert other.profit == pytest.approx(row["export_profit_w22"], rel=1e-9)
        whole = analytic.static_equilibrium(row["K"], row["alpha"])
        assert whole.labour == pytest.approx(row["efficient_L_all100consumers"], rel=1e-6)
        assert whole.consumption == pytest.approx(row["efficient_c"], rel=1e-6)


@pytest.mark.reference("rbc", closed_forms)
def test_value_iteration_finds_the_policy_of_brock_and_mirman(case: dict[str, Any]) -> None:
    b = case["brock_mirman"]
    grid = np.linspace(0.2 * b["kss"], 1.8 * b["kss"], 401)
    found = analytic.value_iteration(grid, b["alpha"], b["beta"], 1e-7)
    assert np.abs(found - analytic.brock_mirman(grid, b["alpha"], b["beta"])).max() <= 1.05 * (
        grid[1] - grid[0]
    )
