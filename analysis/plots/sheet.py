"""The sample sheet: what the students of all arms draw at one seed. Pictures in, Figure out."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from analysis.notation import arm_text, value_text
from analysis.plots.canvas import WIDE_INCHES, house_style
from analysis.question import Question

COLUMNS, MAX_ARMS = 6, 60
TITLE_INCHES, EDGE_INCHES = 0.28, 0.3
MAX_LETTERS = 26
TILE_PIXELS = 360


def sheet_seed(pictures: Mapping[tuple[int, int], Path], question: Question) -> int | None:
    """The seed of which the most arms have a picture, the earliest of these; None without any."""
    order = (*question.seeds, *question.screen)
    counts = {seed: sum(own == seed for _, own in pictures) for seed in order}
    best = max(order, key=lambda seed: counts[seed], default=None)
    return best if best is not None and counts[best] else None


def sheet_figure(
    frame: pd.DataFrame,
    arms: pd.DataFrame,
    question: Question,
    pictures: Mapping[tuple[int, int], Path],
    *,
    data: Path | None = None,
) -> Figure | None:
    """A tile per arm with the picture of its last evaluation at one seed, and how that trial ended;
    None where there is no picture.

    Args:
        data: real images, the first tile.
    """
    seed = sheet_seed(pictures, question)
    if seed is None:
        return None
    shown = arms.iloc[:MAX_ARMS]
    finals = frame[frame["final"] & (frame["seed"] == seed)].set_index("arm")
    tiles: list[tuple[str, Path | None]] = [("data\n", data)] if data else []
    for _, arm in shown.iterrows():
        title = f"{_name(arm, question)}\n{_ending(finals, arm['arm'], question)}"
        tiles.append((title, pictures.get((int(arm["arm"]), seed))))
    columns = min(COLUMNS, len(tiles))
    num_rows = math.ceil(len(tiles) / columns)
    side = WIDE_INCHES / COLUMNS
    with house_style():
        size = (side * columns, EDGE_INCHES + (side + TITLE_INCHES) * num_rows)
        figure = Figure(figsize=size)
        panels = figure.subplots(num_rows, columns, squeeze=False).ravel()
        for ax in panels:
            ax.set_axis_off()
        for ax, (title, path) in zip(panels, tiles, strict=False):
            if path is not None:
                ax.imshow(_tile(path))
            ax.set_title(title, fontsize=6, pad=2)
        figure.suptitle(f"seed {seed}", fontsize=7)
    return figure


def _tile(path: Path) -> np.ndarray:
    with Image.open(path) as image:
        tile = image.convert("RGB")
        tile.thumbnail((TILE_PIXELS, TILE_PIXELS))
        return np.asarray(tile)


def _ending(finals: pd.DataFrame, arm: int, question: Question) -> str:
    if arm not in finals.index:
        return "not run"
    trial = finals.loc[arm]
    if (outcome := str(trial["outcome"])) != "finished":
        return outcome
    return f"{question.metric} {trial[f'metric.{question.metric}']:.3g}"


def _name(arm: pd.Series, question: Question) -> str:
    values = {knob: arm[f"param.{knob}"] for knob in question.knobs}
    text = arm_text(values)
    if len(values) == 1 and len(text) > MAX_LETTERS:
        text = value_text(next(iter(values.values())))
    return text if len(text) <= MAX_LETTERS else f"{text[: MAX_LETTERS - 1]}…"
