"""Numbers from published vectors; one rule on threads, interpreter and CUDA simulator; PTX without a GPU."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

import lanes_rule
from pycrld_econ.validation.backend import Lanes, as_torch, check_device, held, philox, split_seed, uniform
from pycrld_econ.validation.backend.targets import MANY

ROOT = Path(__file__).parents[2]

KNOWN = [  # the vectors of Random123, philox4x32 with 10 rounds: counter, key, words
    ("00000000 00000000 00000000 00000000", "00000000 00000000", "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff", "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0", "d16cfe09 94fdcceb 5001e420 24126ea1"),
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_known_answers(counter: str, key: str, expected: str) -> None:
    assert list(philox(*words(counter), *words(key))) == words(expected)
    out = np.zeros((1, 4), np.int64)
    Lanes(lanes_rule, "scramble")(1, np.array([words(counter)]), np.array(words(key)), out)
    assert out[0].tolist() == words(expected)


def test_uniforms_are_uniform_and_uncorrelated() -> None:
    draws = np.array([uniform(e, t, 1, 0, 3, 4) for e in range(40) for t in range(100)])
    assert stats.kstest(draws, "uniform").pvalue > 1e-3
    neighbours = draws.reshape(40, 100)
    assert abs(np.corrcoef(neighbours[:, :-1].ravel(), neighbours[:, 1:].ravel())[0, 1]) < 4 / np.sqrt(4000)
    assert draws.min() >= 0.0 and draws.max() < 1.0


def sums(lanes: int, **options: object) -> np.ndarray:
    out = np.zeros(lanes)
    Lanes(lanes_rule, "add_draws", **options)(lanes, np.array(split_seed(2**40 + 7)), 50, out)
    return out


def test_draws_do_not_depend_on_lanes_threads_or_tier() -> None:
    reference = sums(64, threads=1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # products of words wrap around
        assert np.array_equal(sums(64, compile=False), reference)
    for threads in (2, 5, 64):
        assert np.array_equal(sums(64, threads=threads), reference)
    assert np.array_equal(sums(9), reference[:9])
    assert len(set(reference)) == 64


def test_arrays_of_other_types_are_told_apart() -> None:
    """Compiled code is remembered by what decides its types: of the element, of the layout, of scalars."""
    rule, key, expected = Lanes(lanes_rule, "add_draws", threads=1), np.array(split_seed(2**40 + 7)), sums(9)
    for _ in range(2):
        for out in (np.zeros(9), np.zeros(18)[::2], np.zeros(9, np.float32)):
            rule(9, key, 50, out)
            np.testing.assert_allclose(out, expected, rtol=1e-6 if out.dtype == np.float32 else 0)
        fixed = np.zeros(9)
        fixed.flags.writeable = False
        with pytest.raises(Exception, match="(?i)modify readonly"):
            rule(9, key, 50, fixed)
        assert not fixed.any()


def test_many_arrays_are_unpacked_when_they_change(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also if another call comes in between, as from another thread."""
    rule = Lanes(lanes_rule, "add_to_all", threads=1)
    mine, other = (tuple(np.zeros(5) for _ in range(MANY)) for _ in range(2))
    for threads in (1, 3):
        rule.threads = threads
        for arrays in (mine, mine, other, mine):
            rule(5, 1.0, arrays)
    assert np.array(mine).tolist() == [[6.0] * 5] * MANY and np.array(other).tolist() == [[2.0] * 5] * MANY
    unpack = held.hold

    def interrupted(arrays: object) -> object:
        monkeypatch.setattr(held, "hold", unpack)
        rule(5, 10.0, mine)
        return unpack(arrays)

    monkeypatch.setattr(held, "hold", interrupted)
    rule(5, 1.0, other)
    rule(5, 1.0, mine)
    rule(5, 1.0, other)
    assert mine[0][0] == 17.0 and other[0][0] == 4.0


def python(code: str, **environment: str) -> str:
    search = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    settings = {**os.environ, "PYTHONPATH": search, "PYTHONWARNINGS": "ignore", **environment}
    run = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=settings, timeout=300
    )
    assert run.returncode == 0, run.stderr
    return run.stdout


def test_cuda_simulator_draws_the_same() -> None:
    code = """
import numpy as np, lanes_rule
from pycrld_econ.validation.backend import Lanes, split_seed
out = np.zeros(5)
Lanes(lanes_rule, "add_draws", device="cuda")(5, np.array(split_seed(2**40 + 7)), 50, out)
print(out.tobytes().hex())
"""
    found = np.frombuffer(bytes.fromhex(python(code, NUMBA_ENABLE_CUDASIM="1")))
    assert np.array_equal(found, sums(5))


def test_absent_cuda_is_named() -> None:
    from numba import cuda

    if cuda.is_available():
        pytest.skip("there is a CUDA device")
    with pytest.raises(RuntimeError, match=r"needs an NVIDIA GPU.*device='cpu'"):
        check_device("cuda")
    with pytest.raises(ValueError, match="device must be one of cpu, cuda, got 'tpu'"):
        check_device("tpu")


@pytest.mark.cuda
def test_gpu_draws_the_same() -> None:
    out = np.zeros(1000)
    Lanes(lanes_rule, "add_draws", device="cuda")(1000, np.array(split_seed(2**40 + 7)), 50, out)
    assert np.array_equal(out, sums(1000))


@pytest.mark.parametrize(
    ("seed", "error"), [(-1, ValueError), (2**64, ValueError), (0.5, TypeError), (True, TypeError)]
)
def test_seeds_have_64_bits(seed: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="seed must be"):
        split_seed(seed)


def test_bad_number_of_threads() -> None:
    with pytest.raises(ValueError, match="threads must be at least 1"):
        Lanes(lanes_rule, "add_draws", threads=0)


def test_torch_shares_memory() -> None:
    pytest.importorskip("torch")
    array = np.zeros(3)
    tensor = as_torch(array)
    tensor[1] = 5.0
    assert array[1] == 5.0
    array.setflags(write=False)
    with pytest.raises(ValueError, match="writeable"):
        as_torch(array)


def nvvm_is_missing() -> str:
    code = """
import numpy as np, lanes_rule
from pycrld_econ.validation.backend import kernel_ptx
try:
    words = np.zeros((1, 4), np.int64)
    kernel_ptx(lanes_rule, "scramble", (words, words[0], words), (9, 0))
except Exception as error:
    print(type(error).__name__, error)
"""
    return python(code).strip()


def test_rules_compile_to_ptx_without_a_gpu() -> None:
    missing = nvvm_is_missing()
    if "nvvm" in missing.lower() or "cudatoolkit" in missing.lower():
        pytest.skip(f"PTX NOT CHECKED, numba finds no NVVM (pip install 'numba-cuda[cu13]'): {missing[:200]}")
    assert missing == ""
    from pycrld_econ.validation.backend import kernel_ptx

    code = kernel_ptx(lanes_rule, "add_draws", (np.zeros(2, np.int64), 50, np.zeros(3)), (9, 0))
    assert ".visible .entry" in code and "mul" in code


def test_games_and_learners_compile_to_ptx() -> None:
    pytest.importorskip("numba_cuda", reason="PTX OF THE RULES NOT CHECKED: pip install 'numba-cuda[cu13]'")
    from pycrld_econ.agents import StrategySARSA
    from pycrld_econ.environments import EcologicalPublicGood
    from pycrld_econ.validation.backend import kernel_ptx
    from pycrld_econ.validation.learners import BatchLearner, tabular_rules
    from pycrld_econ.validation.simulators import FiniteSimulator, finite_rules

    env = EcologicalPublicGood(N=2, f=1.2, c=5, m=-5, qc=0.2, qr=0.1)
    simulator, learner = FiniteSimulator(env, 2), BatchLearner(StrategySARSA(env, 0.1, 0.9), 5)
    played = (simulator.tables, simulator.batch, simulator.key, np.zeros((2, 2), np.int64), 0)
    assert ".visible .entry" in kernel_ptx(finite_rules, "play", played, (9, 0))
    room = learner._room(np.full((2, 2, 2, 2), 0.5), 0)
    learned = (learner.tables, learner._learning(), room, simulator.key, 5, 1, 1, np.zeros((2, 2, 2, 2, 2)))
    assert ".visible .entry" in kernel_ptx(tabular_rules, "learn", learned, (9, 0))
