"""Economies from the published configuration dictionaries, and the random numbers of the original from a seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from pathlib import Path
from typing import Any

from pycrld_econ.validation.simulators.gather_trade_build.config import (
    Build,
    Gather,
    GTBConfig,
    Map,
    Market,
    Quirks,
    Tax,
)

SCENARIOS = {
    "layout_from_file/simple_wood_and_stone": "file",
    "PlannerLikeAgentsEnv": "file",
    "split_layout/simple_wood_and_stone": "split",
    "uniform/simple_wood_and_stone": "uniform",
    "multi_zone/simple_wood_and_stone": "multi_zone",
    "quadrant/simple_wood_and_stone": "quadrant",
}
PARTS: dict[str, type] = {
    "Build": Build,
    "ContinuousDoubleAuction": Market,
    "Gather": Gather,
    "PeriodicBracketTax": Tax,
}
# How the original is run, which does not change what happens.
IGNORED = {
    "dense_log_frequency", "world_dense_log_frequency", "flatten_observations", "flatten_masks",
    "collate_agent_step_and_reset_data", "seed", "components", "scenario_name", "world_size", "env_layout_file",
}  # fmt: skip


def keywords(kind: type, name: str, values: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of a part; ValueError if it has others."""
    known = {one.name for one in fields(kind)}
    for key in values:
        if key not in known:
            raise ValueError(f"{name}.{key} is not known; allowed: {', '.join(sorted(known))}")
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def components_of(listed: list[Any]) -> dict[str, Mapping[str, Any]]:
    """Components by name; ValueError if they are not in the order that this economy has."""
    found: dict[str, Mapping[str, Any]] = {}
    for one in listed:
        name, values = next(iter(one.items())) if isinstance(one, Mapping) else (one[0], one[1])
        found[name] = values
    order = ["Build", "ContinuousDoubleAuction", "Gather"]
    last = list(found)[3:]
    if list(found)[:3] != order or last not in ([], ["PeriodicBracketTax"], ["WealthRedistribution"]):
        raise ValueError(
            f"components must be {', '.join(order)} and at most one of PeriodicBracketTax and WealthRedistribution, "
            f"in this order, got {', '.join(found)}"
        )
    return found


def from_foundation(
    arguments: Mapping[str, Any], folder: str | Path = "", quirks: Quirks | None = None
) -> GTBConfig:
    """The economy of a configuration dictionary of the original.

    Parameters
    ----------
    arguments : mapping
        Arguments of `make_env_instance`: scenario_name, components (a list of pairs or of single-entry mappings), ...
    folder : path
        Where the text files of maps are.
    quirks : Quirks, optional
        None: all of them, as the original.

    Returns
    -------
    GTBConfig
        The same economy.

    Raises
    ------
    ValueError
        If a scenario, component or argument is not known.
    """
    scenario = arguments.get("scenario_name", "layout_from_file/simple_wood_and_stone")
    if scenario not in SCENARIOS:
        raise ValueError(f"scenario_name must be one of {', '.join(SCENARIOS)}, got {scenario!r}")
    found = components_of(list(arguments["components"]))
    parts = {name: PARTS[name](**keywords(PARTS[name], name, found[name])) for name in PARTS if name in found}
    known = {one.name for one in fields(GTBConfig)}
    places = {one.name for one in fields(Map)}
    own = {key: value for key, value in arguments.items() if key not in IGNORED and key in known}
    where = {key: value for key, value in arguments.items() if key not in IGNORED and key in places}
    for key in arguments:
        if key not in IGNORED and key not in known and key not in places:
            raise ValueError(f"{key} is not known; allowed: {', '.join(sorted(known | places | IGNORED))}")
    file = arguments.get("env_layout_file", "")
    layout = Map(
        kind=SCENARIOS[scenario],
        file=str(Path(folder, file)) if file else "",
        world_size=tuple(arguments.get("world_size", (25, 25))),
        **keywords(Map, scenario, where),
    )
    return GTBConfig(
        map=layout,
        build=parts["Build"],
        market=parts["ContinuousDoubleAuction"],
        gather=parts["Gather"],
        tax=parts.get("PeriodicBracketTax"),
        redistribution="WealthRedistribution" in found,
        agent_reward="planner_like" if scenario == "PlannerLikeAgentsEnv" else "utility",
        quirks=Quirks.all() if quirks is None else quirks,
        **keywords(GTBConfig, scenario, own),
    )
