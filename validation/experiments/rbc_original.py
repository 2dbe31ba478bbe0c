"""Configurations of the real-business-cycle economy in the published form: dictionaries agents, world and train.

A run whose configuration can be said in that form has it in `hparams_original.yaml`, beside our `hparams.yaml`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pycrld_econ.validation.experiments.config import as_mapping, differences, load
from pycrld_econ.validation.simulators.rbc.config import TYPES, World

PARTS = ("agents", "world", "train")
MENUS = {  # what the menus of our economy come to, by the published names
    "consumer_num_consume_actions": 11,
    "consumer_num_work_actions": 5,
    "firm_num_actions": 30,
    "government_num_actions": 36,
    "max_possible_consumption": 10.0,
    "max_possible_hours_worked": 1040.0,
    "max_possible_wage": 44.0,
    "max_possible_price": 2500.0,
}
CURRICULUM = {
    *(f"{kind}_training_start" for kind in TYPES),
    "firm_begin_anneal_action",
    "government_begin_anneal_action",
    "train_consumers_every",
    "train_firms_every",
    "train_government_every",
    *(f"{kind}_training_list" for kind in TYPES),
    "training_schedule_mod",
    "consumer_mod_threshold",
}
LEARNING = {
    *(f"{kind}_{name}" for kind in TYPES for name in ("lr_multiple", "reward_scale")),
    *(f"{kind}_{name}" for kind in TYPES[:2] for name in ("noponzi_start", "noponzi_eta", "penalty_scale")),
    "government_counts_firm_reward",
    "firm_reward_for_government_factor",
}
TRAIN = {
    "batch_size", "num_episodes", "save_dense_every", "save_model_every", "lr", "gamma", "entropy",
    "value_loss_weight", "clip_grad_norm", "use_ppo", "ppo_num_updates", "ppo_clip_param",
    "digit_representation_size", "lagr_num_steps",
}  # fmt: skip
# What absence means to the original. Other keys that are absent have our defaults, which its templates all share.
ABSENT: dict[str, Any] = {
    "clip_grad_norm": None,
    **{f"{kind}_lr_multiple": 1.0 for kind in TYPES},
    **{f"{kind}_noponzi_start": 0.0 for kind in TYPES[:2]},
}
# Without these it stops, or learns something else than our defaults, which are those of its sweep.
REQUIRED = {
    "agents": (*(f"{kind}_reward_scale" for kind in TYPES), "government_counts_firm_reward",
               "firm_training_start", "government_training_start"),
    "train": ("use_ppo", "batch_size", "num_episodes", "lr", "entropy"),
}  # fmt: skip
PPO = ("ppo_num_updates", "ppo_clip_param")
BOOLEAN = {"use_importer", "government_counts_firm_reward", "should_boost_firm_reward", "use_ppo"}
# Keys that only repeat sizes, or that the original does not read.
REPEATED = {"num_governments", "should_boost_firm_reward", *MENUS}
UNREAD = {"infinite_episodes", "save_dir"}


def hashed_seed(base_seed: int) -> int:
    """The seed that the original makes of a base seed: the first 32 bits of the SHA-512 of its digits.

    Parameters
    ----------
    base_seed : int
        The `base_seed` of a configuration.
    """
    return int.from_bytes(hashlib.sha512(str(int(base_seed)).encode()).digest()[:4], "little")


def is_original(mapping: Mapping[str, Any]) -> bool:
    """Whether a configuration has the published form."""
    return "agents" in mapping


def from_original(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """A configuration in the published form as one of ours, for `config.load`.

    Parameters
    ----------
    mapping : mapping
        With the dictionaries agents, world and train; metadata is ignored.

    Returns
    -------
    dict
        The same run: seed, economy, train, curriculum. The seed is the hashed base seed, or else that of train. What
        the mapping leaves out is what it is in the original: no clipping, the same learning rate for all types.

    Raises
    ------
    ValueError
        If a key is not known or missing, sizes disagree, or it asks for what this economy does not have.
    """
    for part in PARTS:
        if not isinstance(mapping.get(part), Mapping):
            raise ValueError(f"{part} must be a mapping, got {mapping.get(part)!r}")
    unknown = set(mapping) - {*PARTS, "metadata"}
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} not known; allowed: {', '.join(PARTS)}, metadata")
    agents, world, train = (dict(mapping[part]) for part in PARTS)
    consumers, firms = _sizes(agents)
    _check_required(agents, train)
    own = {key: _plain(key, agents.pop(key)) for key in sorted(LEARNING) if key in agents}
    learning = ABSENT | own | {key: _plain(key, train.pop(key)) for key in sorted(TRAIN) if key in train}
    economy = {"num_consumers": consumers, "num_firms": firms, "world": _world(world, train)}
    curriculum = _curriculum(agents)
    seed = train.pop("seed", None)  # the original writes both; what we write has no base seed
    if "base_seed" in train or seed is None:
        seed = hashed_seed(_taken("train", train, "base_seed"))
    left = {f"agents.{key}" for key in agents} | {f"train.{key}" for key in train if key not in UNREAD}
    if left:
        raise ValueError(f"{', '.join(sorted(left))} not known")
    return {"seed": seed, "economy": economy, "train": learning, "curriculum": curriculum}


def _check_required(agents: Mapping[str, Any], train: Mapping[str, Any]) -> None:
    wanted = {**REQUIRED, "train": REQUIRED["train"] + (PPO if train.get("use_ppo") else ())}
    there = {"agents": agents, "train": train}
    missing = [f"{part}.{key}" for part, keys in wanted.items() for key in keys if key not in there[part]]
    if missing:
        raise ValueError(f"{', '.join(missing)} {'is' if len(missing) == 1 else 'are'} missing")


def _read(agents: Mapping[str, Any], key: str, field: str) -> float:
    """A number of one of the dictionaries in the agents' dictionary."""
    if field not in agents[key]:
        raise ValueError(f"agents.{key}.{field} is missing")
    return float(agents[key][field])


def _taken(part: str, mapping: dict[str, Any], key: str) -> Any:
    if key not in mapping:
        raise ValueError(f"{part}.{key} is missing")
    return mapping.pop(key)


def _plain(key: str, value: Any) -> Any:
    return bool(value) if key in BOOLEAN else value


def _implied(firms: int) -> dict[str, Any]:
    """What of the agents' dictionary follows from the number of firms."""
    public = 4 * firms + 3
    return MENUS | {
        "num_governments": 1,
        "global_state_dim": public,
        "consumer_state_dim": public + 2,
        "firm_state_dim": public + 3 + firms,
        "government_state_dim": public,
        "consumer_action_dim": firms + 2,
        "firm_action_dim": 3,
        "government_action_dim": 2,
        "consumer_num_whichfirm_actions": firms,
        "consumer_digit_dims": [*range(2 * firms, 3 * firms), public],
        "firm_digit_dims": [*range(2 * firms, 3 * firms), public],
        "government_digit_dims": [*range(2 * firms, 3 * firms)],
    }


def _sizes(agents: dict[str, Any]) -> tuple[int, int]:
    """Numbers of consumers and firms; the sizes that follow from them must agree."""
    consumers, firms = (int(_taken("agents", agents, f"num_{kind}")) for kind in ("consumers", "firms"))
    implied = _implied(firms)
    for key, value in implied.items():
        found = agents.pop(key, value)
        if found != value:
            raise ValueError(
                f"agents.{key} must be {value!r} with {consumers} consumers and {firms} firms, got {found!r}"
            )
    return consumers, firms


def _world(world: Mapping[str, Any], train: dict[str, Any]) -> dict[str, Any]:
    """The world, and what of it the original keeps in train."""
    known = {one.name for one in fields(World)}
    world = {"paretoscaletheta": None, "initial_capital": "unit"} | dict(world)  # what absence means there
    for key in world:
        if key not in known:
            raise ValueError(f"world.{key} not known; allowed: {', '.join(sorted(known))}")
    moved = {
        key: train.pop(key)
        for key in ("should_boost_firm_reward", "boost_firm_reward_factor")
        if key in train
    }
    return {key: _plain(key, value) for key, value in (dict(world) | moved).items()}


def _opening(agents: dict[str, Any], names: Mapping[str, float]) -> int:
    """Episodes in which a menu opens, from the increases of an episode; all must agree."""
    lengths = set()
    for name, distance in names.items():
        key, _, field = name.partition(".")
        annealing = agents.get(key)
        if annealing is None or not annealing.get("anneal_on", False):
            lengths.add(0)
        else:
            step = _read(agents, key, field)
            if not step > 0:
                raise ValueError(f"agents.{name} must be > 0, got {step}")
            lengths.add(round(distance / step))
    if len(lengths) > 1:
        raise ValueError(
            f"{', '.join(f'agents.{name}' for name in names)} must open in one time, got {sorted(lengths)}"
        )
    return lengths.pop()


def _curriculum(agents: dict[str, Any]) -> dict[str, Any]:
    """The times at which menus open and types learn."""
    found: dict[str, Any] = {key: agents.pop(key) for key in sorted(CURRICULUM) if key in agents}
    for name, key, default in (("wage", "firm_anneal_wages", 22.0), ("price", "firm_anneal_prices", 1000.0)):
        found[f"start_{name}"] = _read(agents, key, "start") if agents.get(key) else default
    found["firm_opening"] = _opening(
        agents,
        {
            "firm_anneal_wages.increase_const": MENUS["max_possible_wage"] - found["start_wage"],
            "firm_anneal_wages.decrease_const": found["start_wage"],
            "firm_anneal_prices.increase_const": MENUS["max_possible_price"] - found["start_price"],
            "firm_anneal_prices.decrease_const": found["start_price"],
        },
    )
    found["government_opening"] = _opening(agents, {"government_anneal_taxes.increase_const": 1.0})
    if found["government_opening"] and "government_begin_anneal_action" not in found:
        raise ValueError("agents.government_begin_anneal_action is missing")
    found["theta_length"] = _length(agents, ["consumer_anneal_theta"])[0]
    entropies = [f"{kind}_anneal_entropy" for kind in ("consumer", "firm", "govt")]
    found["entropy_length"], found["entropy_floor"] = _length(agents, entropies)
    for key in (
        "firm_anneal_wages",
        "firm_anneal_prices",
        "government_anneal_taxes",
        "consumer_anneal_theta",
    ):
        agents.pop(key, None)
    for key in (*entropies, *REPEATED):
        agents.pop(key, None)
    return found


def _length(agents: Mapping[str, Any], names: list[str]) -> tuple[int, float]:
    """Length and floor of a decay; those of several must agree."""
    found = set()
    for name in names:
        annealing = agents.get(name) or {}
        opens = annealing.get("anneal_on", False)
        length = int(_read(agents, name, "exp_decay_length_in_steps")) if opens else 0
        found.add((length, float(annealing.get("coef_floor", 0.1))))
    if len(found) > 1:
        raise ValueError(
            f"{', '.join(f'agents.{name}' for name in names)} must be the same, got {sorted(found)}"
        )
    return found.pop()


OURS = ("technology", "depreciation", "technology_persistence", "technology_spread", "labor_floor")


def to_original(config: Any) -> dict[str, Any]:
    """A configuration of ours in the published form, which `from_original` reads back as the same.

    Parameters
    ----------
    config : RBCConfig
        A run.

    Returns
    -------
    dict
        The dictionaries agents, world, train. In place of the base seed, which cannot be told from it, train has the
        seed.

    Raises
    ------
    ValueError
        If the run does what the published form has no words for; all of that is named.
    """
    mapping = as_mapping(config)
    economy, train, plan = (dict(mapping[part]) for part in ("economy", "train", "curriculum"))
    firms, consumers, world = economy["num_firms"], economy["num_consumers"], dict(economy["world"])
    standard = World()
    for key in OURS:
        if world[key] == getattr(standard, key):
            del world[key]
    if world["paretoscaletheta"] is None:
        del world["paretoscaletheta"]
    learning = {key: train[key] for key in sorted(TRAIN)}
    learning |= {key: world.pop(key) for key in ("should_boost_firm_reward", "boost_firm_reward_factor")}
    agents = {"num_consumers": consumers, "num_firms": firms, **_implied(firms)}
    agents |= {key: train[key] for key in sorted(LEARNING)}
    agents |= {key: plan[key] for key in sorted(CURRICULUM) if plan[key] is not None}
    found = {
        "agents": agents | _annealing(plan),
        "world": world | {"initial_firm_endowment": config.economy.firm_endowment()},
        "train": learning | {"seed": config.seed},
    }
    mapping["economy"]["world"]["initial_firm_endowment"] = config.economy.firm_endowment()
    lost = differences(mapping, as_mapping(load(type(config), from_original(found))))
    if lost:
        raise ValueError(f"the published form has no words for this run: {'; '.join(lost)}")
    return found


def _annealing(plan: Mapping[str, Any]) -> dict[str, Any]:
    """How menus open and weights decay, in the published form."""

    def opening(start: float, ends: Mapping[str, float], length: int) -> dict[str, Any]:
        steps = {f"{name}_const": abs(end - start) / max(length, 1) for name, end in ends.items()}
        return {"anneal_on": length > 0, "start": start, **steps}

    def decay(length: int, **more: float) -> dict[str, Any]:
        return {"anneal_on": length > 0, "exp_decay_length_in_steps": length, **more}

    wage, price = MENUS["max_possible_wage"], MENUS["max_possible_price"]
    entropy = decay(plan["entropy_length"], coef_floor=plan["entropy_floor"])
    opens = plan["firm_opening"]
    return {
        "firm_anneal_wages": opening(plan["start_wage"], {"increase": wage, "decrease": 0.0}, opens),
        "firm_anneal_prices": opening(plan["start_price"], {"increase": price, "decrease": 0.0}, opens),
        "government_anneal_taxes": opening(0.0, {"increase": 1.0}, plan["government_opening"]),
        "consumer_anneal_theta": decay(plan["theta_length"]),
        **{f"{kind}_anneal_entropy": dict(entropy) for kind in ("consumer", "firm", "govt")},
    }
