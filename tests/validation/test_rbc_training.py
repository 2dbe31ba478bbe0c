"""Training in the real-business-cycle economy: players, files, runs, mistakes."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from simulated import simulated

pytest.importorskip("torch")
pytest.importorskip("dacite")

import torch  # noqa: E402

from pycrld_econ.validation.backend import kernel_ptx  # noqa: E402
from pycrld_econ.validation.experiments import (  # noqa: E402
    checkpoints,
    commands,
    loop,
    rbc,
    rbc_best_response,
    rbc_curriculum,
    rbc_figures,
    rbc_files,
)
from pycrld_econ.validation.experiments.config import load, read_mapping  # noqa: E402
from pycrld_econ.validation.experiments.rbc import RBCConfig, RBCTrainer, Train  # noqa: E402
from pycrld_econ.validation.experiments.rbc_curriculum import Curriculum  # noqa: E402
from pycrld_econ.validation.experiments.rbc_gains import Gain, Responses  # noqa: E402
from pycrld_econ.validation.experiments.rbc_original import from_original, to_original  # noqa: E402
from pycrld_econ.validation.learners import rbc_draw_rules  # noqa: E402
from pycrld_econ.validation.learners.policy_gradient_networks import (  # noqa: E402
    HeadedPolicy,
    PolicyShape,
    expand_digits,
)
from pycrld_econ.validation.learners.rbc_players import (  # noqa: E402
    CounterDraws,
    Deviator,
    Players,
    draw,
    features,
)
from pycrld_econ.validation.simulators.rbc import (  # noqa: E402
    TYPES,
    Economy,
    EconomyConfig,
    Grids,
    World,
    rules,
)

CONFIG = RBCConfig(
    1,
    EconomyConfig(3, 2, World(maxtime=4, interest_rate=0.0)),
    Train(batch_size=4, num_episodes=6, save_dense_every=4, save_model_every=3, hidden=8),
    Curriculum(firm_training_start=1, government_training_start=2, firm_opening=2, government_opening=3,
               government_begin_anneal_action=1, theta_length=3, entropy_length=4),
)  # fmt: skip


def test_features_are_the_published_ones_split() -> None:
    economy = Economy(CONFIG.economy, 3)
    rng, firms, digits = np.random.default_rng(0), 2, 10
    state = economy.snapshot()
    for name, low, high in (
        ("stock", 0, 5e3),
        ("budget", 0, 5e4),
        ("firm_budget", -1e4, 1e6),
        ("price", 0, 2500),
    ):
        state[name] = rng.uniform(low, high, state[name].shape).astype(np.float32)
    economy.load(state)
    found, public = features(economy, digits), CONFIG.economy.public_size
    scale = np.ones(public + 2)
    scale[:firms], scale[firms : 2 * firms], scale[public - 1], scale[-1] = 2500, 44, 4, 0.01
    columns = [*range(2 * firms, 3 * firms), public]
    published = torch.from_numpy(economy.consumer_states() / scale.astype(np.float32)).float()
    raw = torch.from_numpy(economy.consumer_states())
    published[..., columns] = raw[..., columns]
    whole = expand_digits(published, columns, digits)
    joined = torch.cat([found["consumer"].public[:, None].expand(-1, 3, -1), found["consumer"].private], -1)
    torch.testing.assert_close(joined, whole, rtol=0, atol=1e-6)
    assert found["firm"].private.shape == (3, 2, digits + 2 + firms) and found[
        "government"
    ].private.shape == (3, 1, 0)


def test_masked_rows_are_never_played() -> None:
    trainer = RBCTrainer(CONFIG)
    trainer.economy.reset()
    episode = trainer.players.play(trainer.economy, trainer.generator, trainer.masks())
    menu = np.array(CONFIG.economy.grids.firm)[episode.actions["firm"][..., 0].numpy()]
    assert (menu[..., 0] == 1000).all() and (menu[..., 1] == 22).all()
    assert (episode.actions["government"] == 0).all()


def test_rounding_never_plays_a_masked_last_row() -> None:
    """Forty-one equal probabilities, rounded, end at the largest number that is drawn; the last row is closed."""
    policy, most = HeadedPolicy(PolicyShape(1, 0, (42,), 2), 0), torch.full((1, 1, 1), 1 - 2.0**-24)
    logits = torch.zeros(1, 1, 42)
    logits[..., -1] = -1000.0
    below = logits.softmax(-1)[..., :-1].cumsum(-1)
    assert (below <= most).all()
    assert draw(policy, logits, most).tolist() == [[[40]]]
    assert draw(policy, torch.zeros(1, 1, 42), most).tolist() == [[[41]]]
    some = torch.rand((50, 1, 1), generator=torch.Generator().manual_seed(0))
    rows = draw(policy, logits.expand(50, 1, 42), some)
    assert torch.equal(rows, (some >= below).sum(-1, keepdim=True))  # others are as they were
    counted = np.zeros((1, 1, 9))
    counted[..., 1:] = -1000.0
    assert rbc_draw_rules.choice(counted, 0, 0, 0, 9, 1.0) == 0  # more than any number that is drawn


def test_types_learn_when_it_is_their_time() -> None:
    trainer = RBCTrainer(CONFIG)
    for expected in ({"consumer"}, {"consumer", "firm"}, set(TYPES)):
        before = {kind: policy.fc1.weight.clone() for kind, policy in trainer.players.policies.items()}
        trainer.advance()
        moved = {
            kind
            for kind, policy in trainer.players.policies.items()
            if not torch.equal(policy.fc1.weight, before[kind])
        }
        assert moved == expected


def test_turns_and_lists_say_who_learns() -> None:
    turns = Curriculum(training_schedule_mod=3, consumer_mod_threshold=1, government_training_start=2)
    learns = [[turns.trains(episode, kind) for kind in TYPES] for episode in range(4)]
    assert learns == [[True, False, False], [True, False, False], [False, True, True], [True, False, True]]
    lists = Curriculum(firm_training_list=((1, 3), (5, 6)), consumer_training_list=())
    assert [e for e in range(8) if lists.trains(e, "firm")] == [1, 2, 5]
    assert not any(lists.trains(e, "consumer") for e in range(8))
    with pytest.raises(ValueError, match=r"firm_training_list must have pairs \(first, end\)"):
        Curriculum(firm_training_list=((3, 3),))


def test_types_can_be_frozen(tmp_path: Path) -> None:
    """They play one row, do not learn, and leave no policies; others respond to them."""
    plan = replace(CONFIG.curriculum, firm_default_action=17, government_default_action=7, firm_opening=2)
    config = replace(CONFIG, curriculum=plan, train=replace(CONFIG.train, num_episodes=2))
    trainer = RBCTrainer(config, folder=tmp_path)
    loop.train(trainer, tmp_path, config)
    for kind, row in (("firm", 17), ("government", 7)):
        assert (rbc_files.load_episode(tmp_path / f"episode_1_{kind}.npz")["actions"] == row).all()
        assert not list((tmp_path / rbc_files.MODELS).glob(f"{kind}*"))
    found = rbc_best_response.responses(tmp_path, "latest", ["consumer"], 1)
    assert [gain.kind for gain in found.gains] == ["consumer"]
    with pytest.raises(ValueError, match="agent type must be one that has a policy, got 'firm'"):
        rbc_best_response.responses(tmp_path, "latest", ["firm"], 1)
    with pytest.raises(ValueError, match=r"firm_default_action must be in 0 ... 29, got 30"):
        replace(config, curriculum=replace(plan, firm_default_action=30))


def test_frozen_numbers_repeat_themselves() -> None:
    config = replace(CONFIG, train=replace(CONFIG.train, compat_frozen_rng=True),
                     curriculum=replace(CONFIG.curriculum, firm_opening=0, government_opening=0))  # fmt: skip
    for frozen in (True, False):
        trainer = RBCTrainer(config if frozen else replace(config, train=CONFIG.train))
        for policy in trainer.players.policies.values():  # one policy in all states
            for parameter in policy.parameters():
                torch.nn.init.zeros_(parameter)
        trainer.economy.reset()
        taken = trainer.players.play(trainer.economy, trainer.generator, None, trainer.frozen).actions["firm"]
        assert bool((taken == taken[:, :1]).all()) is frozen


COUNTED = replace(
    CONFIG,
    economy=replace(CONFIG.economy, world=replace(CONFIG.economy.world, maxtime=2)),
    train=replace(CONFIG.train, batch_size=2, num_episodes=2, hidden=4, counter_draws=True),
    curriculum=replace(CONFIG.curriculum, firm_training_start=0, firm_opening=0, government_opening=0),
)


def test_draws_by_a_counter_have_the_right_frequencies() -> None:
    config = replace(CONFIG.economy, world=replace(CONFIG.economy.world, maxtime=1))
    players, n = Players(config, 10, 8, seed=5), 4000
    with torch.no_grad():
        for policy in players.policies.values():
            policy.fc1.weight.zero_()
            for head in policy.heads():
                head.bias.normal_(generator=torch.Generator().manual_seed(1))
    economy = Economy(config, n, seed=9)
    now = features(economy, 10)
    taken = players.play(economy, CounterDraws(9)).actions
    for kind, policy in players.policies.items():
        with torch.no_grad():
            wanted = policy.probabilities(policy(now[kind].public[:1], now[kind].private[:1])[0])[0, 0]
        parts = wanted.split(list(policy.shape.heads))
        for head, probability in enumerate(parts):
            rows = taken[kind][:, 0, :, head].flatten()
            found = torch.bincount(rows, minlength=len(probability)) / len(rows)
            assert (found - probability).abs().max() < 5 * 0.5 / len(rows) ** 0.5
    few = players.play(Economy(config, 3, seed=9), CounterDraws(9)).actions
    assert all(torch.equal(few[kind], taken[kind][:3]) for kind in TYPES)


def trained(device: str) -> str:
    """What two episodes of training gave, as text: rewards, actions, and where the policies went."""
    trainer = RBCTrainer(COUNTED, device)
    rows = [trainer.advance() for _ in range(2)]
    rows.append(
        {kind: float(policy.fc1.weight.detach().sum()) for kind, policy in trainer.players.policies.items()}
    )
    return " ".join(f"{value:.4e}" for row in rows for value in row.values())


def test_training_on_cuda_is_training_on_the_processor() -> None:
    """In numba's simulator, with torch on the processor: the same kernels, the same tensors."""
    assert simulated(__file__, "trained('cuda')") == trained("cpu")


def test_kernels_of_training_compile_to_ptx() -> None:
    pytest.importorskip("numba_cuda", reason="PTX OF THE ECONOMY NOT CHECKED: pip install 'numba-cuda[cu13]'")
    economy, key = Economy(CONFIG.economy, 2), np.zeros(2, np.int64)
    choices = economy.choices()
    step = (economy.constants, economy.state, choices, economy._outcome, key)
    assert ".visible .entry" in kernel_ptx(rules, "step", step, (9, 0))
    logits = rbc_draw_rules.Preferences(
        *(np.zeros((2, n, m), np.float32) for n, m in ((3, 29), (2, 30), (1, 36)))
    )
    drawn = (logits, choices, economy.state.clock, np.zeros(3, np.int64), key)
    assert ".visible .entry" in kernel_ptx(rbc_draw_rules, "draw", drawn, (9, 0))


@pytest.mark.cuda
def test_training_on_a_gpu() -> None:
    """Rewards of the first episode, before single precision parts the ways."""
    one, other = RBCTrainer(COUNTED), RBCTrainer(COUNTED, "cuda")
    for (name, here), there in zip(one.advance().items(), other.advance().values(), strict=True):
        assert there == pytest.approx(here, rel=1e-4), name


def test_an_absent_gpu_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from numba import cuda

    if cuda.is_available():
        pytest.skip("there is a CUDA device")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as left:
        commands.train(["rbc", "open", "--device", "cuda"])
    error = capsys.readouterr().err
    assert left.value.code == 2 and "device='cuda' needs an NVIDIA GPU" in error and error.count("\n") == 1
    with pytest.raises(SystemExit):
        commands.train(["rbc", "open", "--device", "tpu"])
    assert "device must be one of cpu, cuda, got 'tpu'" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())


def test_entropy_counts_in_full_before_its_type_learns() -> None:
    plan = Curriculum(government_training_start=60_000, entropy_length=30)
    found = [plan.entropy_coefficient(e, "government") for e in (0, 60_000, 60_030)]
    assert found == pytest.approx([1.0, 1.0, np.exp(-1)])


def test_menus_with_nothing_open_are_refused() -> None:
    """Where every row is closed the closed ones would be played."""
    grids = replace(CONFIG.economy.grids, firm=((500.0, 22.0, 0.1), (1500.0, 22.0, 0.1)))
    with pytest.raises(ValueError, match=r"start_price and start_wage must be a row .* got \(1000, 22\)"):
        replace(CONFIG, economy=replace(CONFIG.economy, grids=grids))
    taxed = replace(CONFIG.economy.grids, government=((0.2, 0.0),))
    with pytest.raises(ValueError, match=r"government must have the row \(0, 0\) on its menu"):
        replace(CONFIG, economy=replace(CONFIG.economy, grids=taxed))
    free = replace(CONFIG.curriculum, firm_opening=0, government_default_action=0)
    replace(CONFIG, economy=replace(CONFIG.economy, grids=replace(taxed, firm=grids.firm)), curriculum=free)


def test_learning_that_diverges_stops_before_a_checkpoint(tmp_path: Path) -> None:
    class Diverging(RBCTrainer):
        def advance(self):
            if self.done == 1:
                with torch.no_grad():
                    self.players.policies["firm"].fc4.bias.fill_(float("nan"))
            return super().advance()

    with pytest.raises(FloatingPointError, match="the loss of firm in episode 1 is nan"):
        loop.train(Diverging(CONFIG, folder=tmp_path), tmp_path, CONFIG, checkpoint_every=1)
    [kept] = checkpoints.checkpoints(tmp_path / loop.STATES)
    _, state = checkpoints.latest(tmp_path / loop.STATES)
    assert state["done"] == 1 and all(
        torch.isfinite(value).all() for policy in state["policies"].values() for value in policy.values()
    ), kept


def test_penalties_grow_with_debts() -> None:
    budgets = np.array([[-200.0, 50.0], [0.0, -100.0]])
    found = rbc_curriculum.penalised(np.zeros((2, 3, 2)), budgets, 2.0, 100.0)
    np.testing.assert_array_equal(found[:, -1], [[-4.0, 0.0], [0.0, -2.0]])
    assert not found[:, :-1].any()
    assert rbc_curriculum.next_coefficient(2.0, budgets, 100.0, 0.1) == pytest.approx(2.075)


def test_files_have_the_published_shapes(tmp_path: Path) -> None:
    loop.train(RBCTrainer(CONFIG, folder=tmp_path), tmp_path, CONFIG)
    batch, steps, consumers, firms = 4, 4, 3, 2
    shapes = {
        "consumer": [(batch, steps, consumers, 4 * firms + 5), (batch, steps, consumers, firms + 2), (5, 1)],
        "firm": [(batch, steps, firms, 5 * firms + 6), (batch, steps, firms), (30, 3)],
        "government": [(batch, steps, 1, 4 * firms + 3), (batch, steps, 1), (36, 2)],
    }
    for name in ("0", "4", "5", "final"):
        for kind, (state, action, menu) in shapes.items():
            data = rbc_files.load_episode(tmp_path / f"episode_{name}_{kind}.npz")
            assert data["states"].shape == state and data["states"].dtype == np.float32
            assert data["actions"].shape == action and data["actions"].dtype == np.int32
            assert data["rewards"].shape == state[:3] and data["action_array"].shape == menu
    aux = [rbc_files.load_episode(tmp_path / f"episode_0_{kind}.npz")["aux_array"].shape for kind in TYPES]
    assert aux == [(batch, steps, consumers, firms), (batch, steps, firms), (0,)]
    saved = sorted(path.name for path in (tmp_path / rbc_files.MODELS).glob("firm*"))
    assert saved == [f"firm_policy_{name}.pt" for name in ("0", "3", "5", "latest")]
    with np.load(tmp_path / "action_arrays.npz") as menus:
        assert {key: menus[key].shape for key in menus} == {
            "consumption_choices": (11, 1), "work_choices": (5, 1), "price_and_wage": (30, 3), "tax_choices": (36, 2)
        }  # fmt: skip
    assert (tmp_path / "action_arrays.pickle").exists()
    assert not (tmp_path / rbc.ORIGINAL).exists()  # networks of eight units were not published
    with pytest.raises(ValueError, match="no words for this run: train.hidden"):
        to_original(CONFIG)


def test_files_that_a_killed_run_did_not_write_come_later(tmp_path: Path) -> None:
    """Menus and the published configuration are three files, and a run may be killed after any of them."""
    config = replace(CONFIG, train=replace(CONFIG.train, hidden=128, num_episodes=1))
    names = ("action_arrays.npz", "action_arrays.pickle", rbc.ORIGINAL)
    RBCTrainer(config, folder=tmp_path).advance()
    whole = {name: (tmp_path / name).read_bytes() for name in names}
    for name in names:
        (tmp_path / name).unlink()
        RBCTrainer(config, folder=tmp_path).advance()
        assert (tmp_path / name).read_bytes() == whole[name]


def test_files_that_are_no_episodes_are_named(tmp_path: Path) -> None:
    path = tmp_path / "episode_0_firm.npz"
    path.write_text("episode")
    with pytest.raises(ValueError, match="episode_0_firm.npz cannot be read"):
        rbc_files.load_episode(path)
    with path.open("wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(ValueError, match="episode_0_firm.npz cannot be read: it holds one array"):
        rbc_files.load_episode(path)
    with pytest.raises(FileNotFoundError):
        rbc_files.load_episode(tmp_path / "absent.npz")


def test_checkpoints_are_listed_by_number(tmp_path: Path) -> None:
    players = Players(CONFIG.economy, 10, 8, seed=0)
    for episode in (1000, 200, 0):
        rbc_files.save_models(tmp_path, episode, players)
    with pytest.raises(ValueError, match="episodes with policies: 0, 200, 1000, latest"):
        rbc_files.load_models(tmp_path, "7", players)


def test_learners_know_no_experiments() -> None:
    """Experiments use simulators and learners, not the other way round."""
    root = Path(rbc.__file__).parents[1]
    for path in [*root.glob("learners/**/*.py"), *root.glob("simulators/**/*.py")]:
        assert "validation.experiments" not in path.read_text(), path


def test_runs_say_what_they_are_in_the_published_form(tmp_path: Path) -> None:
    config = replace(CONFIG, train=replace(CONFIG.train, hidden=128, num_episodes=1))
    loop.train(RBCTrainer(config, folder=tmp_path), tmp_path, config)
    read = from_original(read_mapping(tmp_path / rbc.ORIGINAL))
    assert load(RBCConfig, read).curriculum == config.curriculum
    again = RBCTrainer(load(RBCConfig, read)).advance()
    assert again == RBCTrainer(config).advance()


def test_policies_come_back(tmp_path: Path) -> None:
    trainer = RBCTrainer(CONFIG, folder=tmp_path)
    loop.train(trainer, tmp_path, CONFIG)
    players = Players(CONFIG.economy, 10, 8, seed=99)
    rbc_files.load_models(tmp_path, "0", players)
    fresh = Players(CONFIG.economy, 10, 8, seed=CONFIG.seed)
    for kind in TYPES:
        torch.testing.assert_close(players.policies[kind].state_dict(), fresh.policies[kind].state_dict())
    with pytest.raises(ValueError, match="does not exist; episodes with policies: 0, 3, 5, latest"):
        rbc_files.load_models(tmp_path, "7", players)
    with pytest.raises(ValueError, match="does not fit this policy: .*fc1.weight has shape"):
        rbc_files.load_models(tmp_path, "0", Players(CONFIG.economy, 10, 9, seed=1))
    path = tmp_path / rbc_files.MODELS / "consumer_policy_3.pt"
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ValueError, match="consumer_policy_3.pt cannot be read"):
        rbc_files.load_models(tmp_path, "3", players)
    dense = tmp_path / "episode_0_firm.npz"
    dense.write_bytes(dense.read_bytes()[:200])
    with pytest.raises(ValueError, match="episode_0_firm.npz cannot be read"):
        rbc_files.load_episode(dense)


class Killed(RBCTrainer):
    def advance(self):
        if self.done == 4:
            raise KeyboardInterrupt
        return super().advance()


@pytest.mark.parametrize("counter", [False, True])
def test_runs_are_resumed_exactly(tmp_path: Path, counter: bool) -> None:
    config = replace(CONFIG, train=replace(CONFIG.train, counter_draws=counter))
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    loop.train(RBCTrainer(config, folder=whole), whole, config)
    with pytest.raises(KeyboardInterrupt):
        loop.train(Killed(config, folder=cut), cut, config, checkpoint_every=3)
    assert loop.train(RBCTrainer(config, folder=cut), cut, config).resumed_at == 3
    for path in whole.rglob("*"):
        if (
            path.is_file()
            and "tfevents" not in path.name
            and path.suffix != ".npz"
            and "checkpoint" not in path.name
        ):
            assert (cut / path.relative_to(whole)).read_bytes() == path.read_bytes()
    newest = [max((run / loop.STATES).iterdir()).name for run in (whole, cut)]
    assert newest[0] == newest[1]  # the name holds a digest of the content


@pytest.mark.parametrize("name", rbc.names())
@pytest.mark.parametrize("size", rbc.SIZES)
def test_named_configurations_are_complete(name: str, size: str) -> None:
    config = load(RBCConfig, rbc.named(name, size))
    assert config.economy.world.use_importer is (name == "open")
    assert config.economy.num_consumers == {"small": 5, "published": 100}[size]


def test_the_commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["train.num_episodes=3", "train.batch_size=2", "economy.world.maxtime=2", "train.hidden=4"]
    assert commands.train(["rbc", "open", "--size", "small", *few, "--out", "run"]) == 0
    assert commands.evaluate(["run"]) == 0
    assert "consumer_reward" in capsys.readouterr().out
    assert commands.report(["rbc", "run", "--out", "figures"]) == 0
    assert {f"{kind}_reward" for kind in TYPES} <= {name for name, _ in rbc_figures.PANELS}
    assert (tmp_path / "figures" / "training_curves.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(("text", "message"), [
    ("seed: 1\ntrain: {lr: fast}", "train.lr must be float, got 'fast'"),
    ("seed: 1\ntrain: {learning_rate: 0.1}", "unknown key learning_rate"),
    ("seed: 1\neconomy: {num_consumers: 0}", "num_consumers must be at least 1, got 0"),
    ("seed: 1\ntrain: {government_lr_multiple: 0}", "government_lr_multiple must be > 0 and finite, got 0"),
    ("seed: 1\ntrain: {lr: 0}", "lr must be > 0 and finite, got 0"),
    ("seed: 1\ntrain: {consumer_penalty_scale: 0}", "consumer_penalty_scale must be > 0 and finite, got 0"),
    ("seed: 1\ntrain: {firm_noponzi_eta: .nan}", "firm_noponzi_eta must be at least 0 and finite, got nan"),
    ("seed: 1\ntrain: {batch_size: 1}\neconomy: {world: {maxtime: 1}}", "batch_size * maxtime must be at least 2"),
    ("seed: 1\ncurriculum: {start_price: .inf}", "start_price must be at least 0 and finite, got inf"),
    ("seed: 1\neconomy: {num_firms: 12}", "num_firms must be at most 10 with fixed_array, got 12"),
    ("seed: 1\ncurriculum: {train_firms_every: 0}", "train_firms_every must be at least 1, got 0"),
    ("seed: [1", "not valid YAML"),
    ("train: {lr: 0.1}", "seed is missing"),
])  # fmt: skip
def test_malformed_configurations_end_in_one_line(
    tmp_path: Path, monkeypatch, capsys, text: str, message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("c.yaml").write_text(text)
    with pytest.raises(SystemExit) as left:
        commands.train(["rbc", "c.yaml"])
    error = capsys.readouterr().err
    assert left.value.code == 2 and message in error and error.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["c.yaml"]


def test_best_responses_find_what_is_left_to_gain() -> None:
    """A firm that always posts the price 0 gains by learning; the others' policies stay as they are."""
    config = replace(CONFIG, train=replace(CONFIG.train, batch_size=32, lr=0.02, firm_reward_scale=1000.0))
    players = Players(config.economy, 10, 8, seed=1)
    with torch.no_grad():
        players.policies["firm"].fc3.bias[0] += 8.0
    others = players.policies["consumer"].fc1.weight.clone()
    found = rbc_best_response.best_response(config, players, "firm", 40, every=10)
    assert found.gain > 3 * found.error > 0 and found.after > found.before and found.episodes > 0
    assert torch.equal(players.policies["consumer"].fc1.weight, others)
    with pytest.raises(ValueError, match="agent type must be one of consumer, firm, government, got 'bank'"):
        rbc_best_response.best_response(config, players, "bank", 1)
    with pytest.raises(ValueError, match=r"agent must be in 0 ... 1 for firm, got 2"):
        rbc_best_response.best_response(config, players, "firm", 1, agent=2)


def test_one_agent_deviates_alone() -> None:
    """One firm learns; the other, and all random numbers, stay as they are."""
    config = replace(CONFIG, train=replace(CONFIG.train, batch_size=32, lr=0.02, firm_reward_scale=1000.0))
    players = Players(config.economy, 10, 8, seed=1)
    with torch.no_grad():
        players.policies["firm"].fc3.bias[0] += 8.0
    before = {name: value.clone() for name, value in players.policies["firm"].state_dict().items()}
    found = rbc_best_response.best_response(config, players, "firm", 20, every=10, agent=1)
    assert found.gain > 3 * found.error > 0 and found.who == "firm 1"
    torch.testing.assert_close(players.policies["firm"].state_dict(), before, rtol=0, atol=0)
    other = Players(config.economy, 10, 8, seed=7).policies["firm"]
    episodes = []
    for deviator in (None, Deviator("firm", 1, other)):
        economy = Economy(config.economy, 3)
        episodes.append(players.play(economy, torch.Generator().manual_seed(0), deviator=deviator))
    first = [episode.actions["firm"][:, 0, :, 0] for episode in episodes]
    assert torch.equal(first[0][:, 0], first[1][:, 0]) and not torch.equal(first[0][:, 1], first[1][:, 1])
    one, two = (episode.actions["consumer"][:, 0] for episode in episodes)
    assert torch.equal(one, two)


LITTLE = EconomyConfig(
    2, 1, World(maxtime=2, initial_prices=200.0, initial_wages=1.0, initial_stocks=1.0, interest_rate=0.0,
                initial_consumer_endowment=100.0, initial_firm_endowment=0.0, production_alpha=1.0,
                initial_capital="unit", use_importer=False),
    Grids((0.0, 1.0), (0.0, 100.0), ((100.0, 1.0, 0.0), (200.0, 2.0, 0.0)), ((0.0, 0.0), (0.5, 0.5))),
)  # fmt: skip


def test_learned_responses_stay_below_exact_ones() -> None:
    """In an economy small enough to be a tree; the same policies give the same rewards, sampled and exact."""
    at_once = replace(CONFIG.curriculum, firm_opening=0, government_opening=0)
    config = replace(CONFIG, economy=LITTLE, curriculum=at_once,
                     train=Train(batch_size=32, lr=0.05, entropy=0.0, consumer_reward_scale=1.0, hidden=8))  # fmt: skip
    players = Players(config.economy, 10, 8, seed=3)
    before, gain = rbc_best_response.exact_gains(players, 2)
    samples = rbc_best_response.measured(config, players, "consumer", 5, n_envs=2000)
    assert abs(samples.mean() - before[:2].mean()) < 5 * samples.std() / 2000**0.5
    found = rbc_best_response.best_response(config, players, "consumer", 30, agent=1)
    assert 0.5 * gain[1] < found.gain < gain[1] + 4 * found.error


def test_the_best_response_command(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loop.train(RBCTrainer(CONFIG, folder=tmp_path), tmp_path, CONFIG)
    command = rbc_best_response.best_response_command
    place = ["--experiment-dir", str(tmp_path.parent)]
    few = ["--ep-strs", "0", "latest", "--agents", "1", "2", "--checkpoint-model", "2"]
    assert command([tmp_path.name, "3", *place, *few]) == 0
    text = capsys.readouterr().out
    assert text.count("epsilon of the equilibrium") == 2 and text.count("gain") == 2 * (3 + 3)
    assert text.count("consumer 2") == text.count("firm 1") == 2 and "of its range in training" in text
    assert (tmp_path / "br_consumer_output.txt").read_text().count("\n") == 2 * 3
    rows = (tmp_path / rbc_best_response.TABLE).read_text().splitlines()
    assert len(rows) == 1 + 2 * 6 and rows[0].startswith("checkpoint,type,agent,before,after,gain,error,low")
    for kind in TYPES:
        kept = {path.name for path in (tmp_path / f"br{kind}").glob("episode_*")}
        assert kept == {f"episode_{k}_{other}.npz" for k in (0, 2) for other in TYPES}
        assert (tmp_path / f"br{kind}" / rbc_files.MODELS / f"{kind}_policy_2.pt").exists()
    for wrong, message in (
        (["2", "--ep-strs", "0", "9"], "does not exist; episodes with policies: 0, 3, 5, latest"),
        (["2", "--agents", "3"], "agents must be in 0 ... 2, got 3"),
        (["0"], "EPISODES must be at least 1, got 0"),
    ):
        with pytest.raises(SystemExit):
            command([str(tmp_path), *wrong])
        output = capsys.readouterr()
        assert message in output.err and output.err.count("\n") == 1 and not output.out
    assert (tmp_path / rbc_best_response.TABLE).read_text().splitlines() == rows
    with pytest.raises(SystemExit):
        command([str(tmp_path / "nowhere"), "2"])
    assert "hparams.yaml" in capsys.readouterr().err


def test_old_responses_stay_until_new_ones_are_complete(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Mistakes are found before any learning, and an interruption changes nothing in the run."""
    loop.train(RBCTrainer(CONFIG, folder=tmp_path), tmp_path, CONFIG)
    respond = partial(rbc_best_response.responses, tmp_path, "latest", ["consumer", "firm"], 1)
    respond(save_every=1)
    old = {path: path.stat().st_mtime_ns for path in tmp_path.glob("br*/**/*")}
    learned, learn = [], rbc_best_response.Responder.learn

    def counted(self, keep_states=False):
        if learned.append(self.kind) or len(learned) == 2:
            raise KeyboardInterrupt
        return learn(self, keep_states)

    monkeypatch.setattr(rbc_best_response.Responder, "learn", counted)
    everything = {path for path in tmp_path.rglob("*")}
    with pytest.raises(KeyboardInterrupt):
        respond(save_every=1)
    assert learned == ["consumer", "firm"]
    assert {path for path in tmp_path.rglob("*")} == everything
    assert {path: path.stat().st_mtime_ns for path in tmp_path.glob("br*/**/*")} == old
    metrics = tmp_path / loop.METRICS
    metrics.write_text(metrics.read_text().replace("firm_reward", "reward"))
    for wrong, message in (
        ({"save_every": 0}, "save_every must be at least 1"),
        ({"agents": [9]}, "agents must be in"),
        ({}, "metrics.csv has no firm_reward"),
    ):
        with pytest.raises(ValueError, match=message):
            respond(**wrong)
    assert len(learned) == 2 and {path for path in tmp_path.rglob("*")} == everything


def test_responses_draw_as_the_run_does(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With frozen numbers firms act by one of them in all steps, learning, measured and in the checkpoints' game."""
    config = replace(CONFIG, train=replace(CONFIG.train, compat_frozen_rng=True, num_episodes=1))
    loop.train(RBCTrainer(config, folder=tmp_path), tmp_path, config)
    given, play = [], Players.play

    def watched(self, *arguments, **options):
        given.append(options.get("frozen"))
        return play(self, *arguments, **options)

    monkeypatch.setattr(Players, "play", watched)
    rbc_best_response.responses(tmp_path, "latest", ["firm"], 1)
    rbc_best_response.checkpoints_game(tmp_path, ["0"])
    assert len(given) == 6 and all(numbers["firm"].shape[1:] == (2, 1) for numbers in given)
    given.clear()
    rbc_best_response.measured(CONFIG, Players(CONFIG.economy, 10, 8, seed=0), "firm", 0)
    assert given == [None]


def test_the_largest_gain_has_an_interval_for_all_compared() -> None:
    gains = [Gain("firm", 1.0, 1.1, 0.1 * k, 0.05, 1, agent=k) for k in range(5)]
    low, high = gains[4].band()
    assert (low, high) == pytest.approx((0.4 - 1.959964 * 0.05, 0.4 + 1.959964 * 0.05))
    low, high = gains[4].band(5)
    assert (low, high) == pytest.approx((0.4 - 2.575829 * 0.05, 0.4 + 2.575829 * 0.05))  # 99 %
    told = Responses("7", gains, {"firm": 2.0}).epsilon()
    assert "firm 0.4 [0.2712, 0.5288] (of firm 4, the most of 5, 20.00% of its range in training)" in told
    assert "95 % intervals by Bonferroni" in told


def test_damaged_runs_end_in_one_line_and_stay_as_they_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    few = ["train.num_episodes=2", "train.batch_size=2", "economy.world.maxtime=2", "train.hidden=4"]
    train = ["rbc", "open", "--size", "small", *few, "--out", "run"]
    assert commands.train(train) == 0
    run = Path("run")
    policy, metrics = run / rbc_files.MODELS / "firm_policy_latest.pt", run / loop.METRICS
    whole = {path: path.read_bytes() for path in (policy, metrics)}

    def refused(command, arguments: list[str], message: str) -> None:
        there = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
        capsys.readouterr()
        with pytest.raises(SystemExit) as left:
            command(arguments)
        output = capsys.readouterr()
        assert (
            left.value.code == 2 and message in output.err and output.err.count("\n") == 1 and not output.out
        )
        assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == there

    refused(commands.train, [*train, "train.lr=0.5"], "run holds a run of another configuration: train.lr")
    respond = rbc_best_response.best_response_command
    refused(
        respond,
        ["run", "1", "--ep-strs", "latest", "7"],
        "does not exist; episodes with policies: 0, 1, latest",
    )
    policy.write_bytes(whole[policy][:300])
    refused(respond, ["run", "1"], "firm_policy_latest.pt cannot be read")
    policy.write_bytes((run / rbc_files.MODELS / "consumer_policy_latest.pt").read_bytes())
    refused(respond, ["run", "1"], "does not fit this policy")
    metrics.write_bytes(whole[metrics].replace(b",", b";"))
    refused(commands.evaluate, ["run"], "metrics.csv must begin with a row of names")
    metrics.write_bytes(whole[metrics] + b"3,1.0\n")
    refused(commands.evaluate, ["run"], "metrics.csv must have 11 numbers in row 4")
    metrics.write_bytes(whole[metrics] + b"3,1.0")  # being written
    assert commands.evaluate(["run"]) == 0
    data = rbc_files.load_episode(run / "episode_1_firm.npz")
    np.savez(run / "episode_1_firm.npz", **data | {"rewards": data["rewards"][:, :1]})
    with pytest.raises(ValueError, match="episode_1_firm.npz has states of shape .* they disagree"):
        rbc_files.load_episode(run / "episode_1_firm.npz")
    (run / loop.HPARAMS).write_text("seed: 1\neconomy: {moon: 2}\n")
    refused(respond, ["run", "1"], "unknown key moon")


def test_checkpoints_are_a_game(tmp_path: Path) -> None:
    loop.train(RBCTrainer(CONFIG, folder=tmp_path), tmp_path, CONFIG)
    game = rbc_best_response.checkpoints_game(tmp_path, ["0", "5"])
    assert game.payoffs.shape == (3, 2, 2, 2) and (game.errors >= 0).all()
    players = Players(CONFIG.economy, 10, 8, seed=0)
    rbc_files.load_models(tmp_path, "5", players)
    alone = rbc_best_response.measured(CONFIG, players, "firm", 0)
    assert game.payoffs[1, 1, 1, 1] == pytest.approx(alone.mean(), rel=1e-6)
    assert game.game().N == 3 and (game.deviation_gain([0, 0, 0]) >= 0).all()


def blocks(name: str, seed: int) -> dict[str, np.ndarray]:
    """Means over blocks of 100 episodes of a small run."""
    config = load(RBCConfig, {**rbc.named(name, "small"), "seed": seed})
    trainer, rows = RBCTrainer(config), []
    while trainer.done < trainer.total:
        rows.append(trainer.advance())
    return {key: np.array([row[key] for row in rows]).reshape(8, 100).mean(1) for key in rows[0]}


@pytest.mark.slow
def test_small_open_economies_follow_the_published_story() -> None:
    """Section 19.8 of the specification, on one seed."""
    m = blocks("open", 11)
    price, firm, consumer = m["price"], m["firm_reward"], m["consumer_reward"]
    assert price[:2].max() <= 1250 and price[2] > 1600 and price[3:].min() > 2000
    assert firm[2] >= 1.8 * firm[1] and consumer[2] < consumer[1]
    assert consumer[3:5].max() > consumer[2] and firm[4] < firm[3]
    assert firm[7] >= 1.3 * firm[4] and consumer[7] < consumer[4]
    assert m["corporate_tax"][7] <= 2 / 3 * m["corporate_tax"][4]
    assert m["hours"][4:].max() < m["hours"][1]


@pytest.mark.slow
def test_small_closed_economies_fall_asleep() -> None:
    m = blocks("closed", 11)
    assert m["hours"][4:].max() < 80 and m["firm_reward"][4:].max() < 1000
