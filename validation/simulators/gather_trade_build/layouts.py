"""Maps: texts, our own map, and generated ones."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from pathlib import Path

import numpy as np

from pycrld_econ.validation.simulators.gather_trade_build.config import Map

SYMBOLS = {"W": "wood", "S": "stone", "@": "water"}
ATTEMPTS = 100  # of generating a map
TOLERANCE = 1.4  # ratio of coverage to what was wanted
FILTER = 7  # cells of a clump
ZONES = 8  # zones along a side


@dataclass(frozen=True)
class Layout:
    """A map.

    Attributes
    ----------
    stone, wood, water : (H, W) uint8 array
        1 where a source, or water, is.
    """

    stone: np.ndarray
    wood: np.ndarray
    water: np.ndarray

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.stone.shape[0], self.stone.shape[1]


def parse(text: str) -> Layout:
    """A map from the published text format: rows that end with ';', W wood, S stone, @ water, anything else empty.

    Parameters
    ----------
    text : str
        The text; line breaks are ignored.

    Raises
    ------
    ValueError
        If it is empty, or rows differ in length.
    """
    rows = [row.replace("\n", "").replace("\r", "") for row in text.split(";")]
    if rows and rows[-1] == "":
        rows.pop()
    if not rows or not rows[0]:
        raise ValueError("the text of a map must hold rows that are separated by ';', got none")
    lengths = {len(row) for row in rows}
    if len(lengths) > 1:
        raise ValueError(f"the rows of a map must be equally long, got lengths {sorted(lengths)}")
    cells = np.array([list(row) for row in rows])
    layers = {name: (cells == symbol).astype(np.uint8) for symbol, name in SYMBOLS.items()}
    return Layout(**layers)


def read(path: str | Path) -> Layout:
    """The map of a file; FileNotFoundError or ValueError, with its name."""
    try:
        return parse(Path(path).read_text())
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def open_quadrant(height: int, width: int, each: int = 20, seed: int = 7, gaps: bool = True) -> Layout:
    """Our own map: four quadrants, of which the first has wood and stone, the second wood, the third stone.

    Parameters
    ----------
    height, width : int
        Odd numbers >= 9 are parted in the middle.
    each : int
        Number of sources of wood, and of stone, half of them in the mixed quadrant.
    seed : int
        Of the places of sources.
    gaps : bool
        Whether the cross of water has gaps. Without water at all: None is not offered; use `without_water`.

    Returns
    -------
    Layout
        Sources are clumped around the outer corners of the quadrants, as far from the centre as possible.
    """
    rng = np.random.RandomState(seed)
    rows, cols = np.mgrid[:height, :width]
    middle_row, middle_col = height // 2, width // 2
    water = (rows == middle_row) | (cols == middle_col)
    if gaps:
        along = np.where(rows == middle_row, cols / (width - 1), rows / (height - 1))
        gap = ((along > 0.19) & (along < 0.36)) | ((along > 0.64) & (along < 0.81))
        centre = (rows == middle_row) & (cols == middle_col)
        water &= ~gap | centre
    top, left = rows < middle_row, cols < middle_col
    off_cross = (rows != middle_row) & (cols != middle_col)
    quadrants = {"mixed": top & left, "wood": top & ~left, "stone": ~top & left}
    sources = {"wood": np.zeros((height, width), bool), "stone": np.zeros((height, width), bool)}

    def sow(name: str, where: np.ndarray, count: int) -> None:
        free = where & off_cross & ~sources["wood"] & ~sources["stone"]
        far = np.maximum(abs(rows - middle_row) / height, abs(cols - middle_col) / width)
        weight = np.where(free, (far + 0.05) ** 4, 0.0).ravel()
        if (weight > 0).sum() < count:
            raise ValueError(
                f"map.world_size {(height, width)} has no room for {each} sources of wood and stone"
            )
        chosen = rng.choice(height * width, count, replace=False, p=weight / weight.sum())
        sources[name].ravel()[chosen] = True

    for name in ("wood", "stone"):
        sow(name, quadrants["mixed"], each // 2)
        sow(name, quadrants[name], each - each // 2)
    return Layout(sources["stone"].astype(np.uint8), sources["wood"].astype(np.uint8), water.astype(np.uint8))


def without_water(layout: Layout) -> Layout:
    """The same map, dry."""
    return Layout(layout.stone, layout.wood, np.zeros_like(layout.water))


def with_water_row(layout: Layout, row: int) -> Layout:
    """The same map with a row of water and no sources in it."""
    stone, wood, water = layout.stone.copy(), layout.wood.copy(), layout.water.copy()
    water[row], stone[row], wood[row] = 1, 0, 0
    return Layout(stone, wood, water)


# --- generated maps ---------------------------------------------------------------------------------------------------


def coverages(m: Map) -> tuple[float, float]:
    """Wanted shares of cells with wood and stone."""
    cells = m.world_size[0] * m.world_size[1]
    found = []
    for coverage in (m.starting_wood_coverage, m.starting_stone_coverage):
        share = coverage / cells if coverage >= 1 else coverage
        found.append(share * (2 if m.checker_source_blocks else 1))
        if not 0 < found[-1] < 1:
            raise ValueError(f"map.starting_*_coverage must be a share or number of cells, got {coverage!r}")
    return found[0], found[1]


def uniform_probabilities(m: Map, by_wood: bool) -> tuple[np.ndarray, np.ndarray]:
    """Chances of sources that grow with the row for wood, and fall for stone."""
    height, width = m.world_size
    wood, stone = coverages(m)
    gradient = np.tile((np.arange(height)[:, None] ** m.gradient_steepness), (1, width)).astype(float)
    gradient = gradient / gradient.mean()
    return gradient * wood, gradient[::-1] * (wood if by_wood else stone)


def quadrant_water(m: Map) -> np.ndarray:
    """The cross of water of the generated quadrants, with gaps."""
    height, width = m.world_size
    rows = (0.5 + np.arange(height)) / height
    cols = (0.5 + np.arange(width)) / width
    water = np.zeros(m.world_size, dtype=np.uint8)

    def wet(x: np.ndarray) -> np.ndarray:
        return ((x < 0.2) | (x > 0.35)) & ((x < 0.65) | (x > 0.8))

    water[:, height // 2][wet(rows)] = 1
    water[width // 2][wet(cols)] = 1
    return water


def quadrant_probabilities(m: Map) -> tuple[np.ndarray, np.ndarray]:
    """Chances of sources: wood at the top, stone at the left, and both where these meet; each adds up to 1."""
    height, width = m.world_size
    steep = m.gradient_steepness / 2
    s_wood = np.tile((np.arange(height)[::-1, None] ** steep).astype(float), (1, width))
    s_stone = np.tile((np.arange(width)[None, ::-1] ** steep).astype(float), (height, 1))
    dry = 1 - quadrant_water(m)
    found = []
    for layer in (s_wood, s_stone):
        chance = layer * (s_wood + s_stone)
        chance = chance / chance.sum() * dry
        found.append(chance / chance.sum())
    return found[0], found[1]


def zone_probabilities(m: Map, rng: np.random.RandomState, by_wood: bool) -> tuple[np.ndarray, np.ndarray]:
    """Chances of sources by zones of which each has wood, stone, both or nothing, dealt out at random."""
    height, width = m.world_size
    kinds = ["wood"] * m.num_wood_zones + ["stone"] * m.num_stone_zones + ["mixed"] * m.num_mixed_zones
    kinds += ["none"] * (ZONES * ZONES - len(kinds))
    order = np.array(kinds, dtype=object)
    rng.shuffle(order)
    zones = order.reshape(ZONES, ZONES)
    block = np.ones((ceil(height / ZONES), ceil(width / ZONES)))
    coverage, found = coverages(m), []
    for name, share in (("wood", coverage[0]), ("stone", coverage[0 if by_wood else 1])):
        layer = np.kron((zones == name) | (zones == "mixed"), block)[:height, :width]
        found.append(layer / layer.mean() * share)
    return found[0], found[1]


def clump(
    probability: np.ndarray, coverage: float, clumpiness: float, free: np.ndarray, rng: np.random.RandomState
) -> np.ndarray:
    """Sources of a commodity: seeds, which grow in clumps until enough cells are covered."""
    from scipy.signal import convolve2d

    spread = 1 - np.clip(clumpiness, 0.0, 0.99)
    x = rng.rand(*probability.shape)
    chance = probability * 0.1 * spread
    found = (x < chance) * free
    for _ in range(201):
        if found.mean() >= coverage * spread:
            break
        x = x * 0.9
        found = (x < chance) * free
    while found.mean() < coverage:
        kernel = rng.randn(FILTER, FILTER) > 0
        grown = convolve2d(found + 0.2 * rng.randn(*found.shape) - 0.25, kernel.astype(float), "same")
        found = np.maximum(grown > 0, found) * free
    return np.asarray(found, dtype=bool)


def sources(
    m: Map, chances: tuple[np.ndarray, np.ndarray], rng: np.random.RandomState
) -> tuple[np.ndarray, np.ndarray]:
    """Wood and stone of a generated map, drawn until their coverage is close to the wanted one.

    Raises
    ------
    ValueError
        If no draw came close.
    """
    wanted = coverages(m)
    for _ in range(ATTEMPTS):
        free, found = np.ones(m.world_size, dtype=bool), []
        for chance, coverage, clumpiness in zip(
            chances, wanted, (m.wood_clumpiness, m.stone_clumpiness), strict=True
        ):
            found.append(clump(chance, coverage, clumpiness, free, rng))
            free = free & ~found[-1]
        ratios = [layer.mean() / coverage for layer, coverage in zip(found, wanted, strict=True)]
        if all(1 / TOLERANCE <= ratio <= TOLERANCE for ratio in ratios):
            if m.checker_source_blocks:
                rows, cols = np.mgrid[: m.world_size[0], : m.world_size[1]]
                found = [layer & ((rows + cols) % 2 == 1) for layer in found]
            return found[0], found[1]
    raise ValueError(
        f"map.starting_*_coverage: no map came close to coverages {wanted} in {ATTEMPTS} attempts; "
        "try other clumpiness or coverage"
    )


def generate(m: Map, rng: np.random.RandomState, by_wood: bool = False) -> Layout:
    """A generated map.

    Parameters
    ----------
    m : Map
        Of kind uniform, quadrant or multi_zone.
    rng : numpy RandomState
        Whose numbers are used in the order of the original.
    by_wood : bool
        Place stone by the coverage of wood, as the original does.
    """
    makers: dict[str, Callable[[], tuple[np.ndarray, np.ndarray]]] = {
        "uniform": lambda: uniform_probabilities(m, by_wood),
        "quadrant": lambda: quadrant_probabilities(m),
        "multi_zone": lambda: zone_probabilities(m, rng, by_wood),
    }
    wood, stone = sources(m, makers[m.kind](), rng)
    water = np.zeros(m.world_size, dtype=np.uint8)
    if m.kind == "quadrant":
        height, width = m.world_size
        water = quadrant_water(m)
        for layer in (wood, stone):
            layer[:, height // 2] = False
            layer[width // 2] = False
    return Layout(stone.astype(np.uint8), wood.astype(np.uint8), water)


def layouts_of(m: Map, seed: int, by_wood: bool = False) -> list[Layout]:
    """The maps of an economy: one, or a pool of generated ones.

    Raises
    ------
    ValueError
        If a file holds a map of another size, or the water row is outside.
    FileNotFoundError
        If there is no such file.
    """
    if m.is_generated:
        return [generate(m, np.random.RandomState([seed % 2**32, k]), by_wood) for k in range(m.pool)]
    if m.file:
        layout = read(m.file)
    elif m.kind == "file":
        raise ValueError("map.file must name a file for map.kind 'file', got ''")
    else:
        layout = open_quadrant(*m.world_size)
        layout = without_water(layout) if m.kind == "split" else layout
    if layout.shape != tuple(m.world_size):
        raise ValueError(f"map.world_size must be that of {m.file}, {layout.shape}, got {m.world_size}")
    if m.kind == "split":
        row = m.world_size[0] // 2 if m.water_row is None else m.water_row
        if not 0 < row < m.world_size[0] - 1:
            raise ValueError(f"map.water_row must be in 1 ... {m.world_size[0] - 2}, got {row}")
        layout = with_water_row(layout, row)
    return [layout]
