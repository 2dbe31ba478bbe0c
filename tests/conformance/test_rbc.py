"""The real-business-cycle economy against recordings of the original kernels, and its exact counterparts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pycrld_econ.validation.simulators.rbc import Compat, Economy, EconomyConfig, Grids, World

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
