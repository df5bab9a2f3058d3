"""The picture of a heat map: what the network saw, the map over it, and the map."""

from __future__ import annotations

import textwrap

import matplotlib
import numpy as np
from matplotlib.figure import Figure

from .heat_map import HeatMap
from .panels import GREY, INK, new_figure
from .text import font_families, plot_text

NAMES = {
    'gradcam': 'Grad-CAM',
    'gradcam++': 'Grad-CAM++',
    'hirescam': 'HiResCAM',
    'layercam': 'LayerCAM',
    'xgradcam': 'XGrad-CAM',
}
COLORS = 'inferno'  # even steps of lightness, and told apart by colour-blind people


def overlay(img_bgr: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The map over a grey image; the less there is, the more one sees through.

    Args:
        img_bgr: uint8 (H, W, 3).
        values: (H, W) in [0, 1].

    Returns:
        np.ndarray: uint8 BGR (H, W, 3).
    """
    grey = img_bgr @ np.array([0.114, 0.587, 0.299])
    color = 255 * matplotlib.colormaps[COLORS](np.clip(values, 0, 1))[..., 2::-1]
    weight = 0.75 * np.clip(values, 0, 1)[..., None] ** 0.7
    return np.clip(np.rint((1 - weight) * grey[..., None] + weight * color), 0, 255).astype(np.uint8)


def draw_heat_map(img_bgr: np.ndarray, heat: HeatMap, title: str = '', note: str = '') -> Figure:
    """What the network saw, the map over it, and the map; of a rollout the map of each level as well.

    Args:
        img_bgr: The input of the network, uint8 (H, W, 3).
        heat: Its map, of the same size.
        title: Such as the name of the file.
        note: Such as the prediction.

    Raises:
        ValueError: If the sizes differ.
    """
    if img_bgr.shape[:2] != heat.values.shape:
        raise ValueError(f'the image is {img_bgr.shape[:2]}, its heat map {heat.values.shape}')
    levels = () if heat.levels is None else heat.levels
    what = 'Attention rollout' if heat.method == 'rollout' else f'{NAMES[heat.method]} for {heat.target}'
    lines = [title, f'{what}, at {heat.layer}', note]
    wrapped = [line for text in lines if text for line in textwrap.wrap(plot_text(text), 105)]
    upper, lower = 3.25 + 0.16 * len(wrapped), 1.75 if len(levels) else 0
    with matplotlib.rc_context({'font.family': font_families([title, note, heat.target])}):
        figure = new_figure(8.6, upper + lower)
        rows = figure.subfigures(2, 1, height_ratios=[upper, lower]) if len(levels) else [figure]
        panels = rows[0].subplots(1, 3)
        pictures = (img_bgr[..., ::-1], overlay(img_bgr, heat.values)[..., ::-1])
        names = (f'what the network saw\n{img_bgr.shape[1]} x {img_bgr.shape[0]} pixels', 'map over it', 'map')
        for axes, picture in zip(panels, pictures):
            axes.imshow(picture, interpolation='nearest')
        mapped = panels[2].imshow(heat.values, cmap=COLORS, vmin=0, vmax=1, interpolation='nearest')
        for axes, name in zip(panels, names):
            _bare(axes)
            axes.set_xlabel(name, fontsize=9, color=INK)
        bar = rows[0].colorbar(mapped, ax=panels[2], shrink=0.75, pad=0.03)
        bar.set_ticks([0, 1], labels=['least', 'most'])
        bar.ax.tick_params(labelsize=9, length=0)
        bar.outline.set_visible(False)
        if heat.empty:
            panels[2].text(
                0.5,
                0.5,
                'nothing in this map\nspeaks for the target',
                transform=panels[2].transAxes,
                ha='center',
                va='center',
                color='white',
                fontsize=9,
            )
        rows[0].suptitle('\n'.join(wrapped), fontsize=9.5, color=INK, x=0.02, ha='left')
        if len(levels):
            _draw_levels(rows[1], heat)
    return figure


def _draw_levels(figure, heat: HeatMap) -> None:
    """A map a level on one scale, with the share of the attention that goes there."""
    panels = figure.subplots(1, len(heat.levels) + 2, width_ratios=[*[1] * len(heat.levels), 0.05, 0.8])
    largest = 100 * float(heat.levels.max())
    for i, (axes, level) in enumerate(zip(panels, heat.levels)):
        drawn = axes.imshow(100 * level, cmap=COLORS, vmin=0, vmax=largest, interpolation='nearest')
        _bare(axes)
        scale = ' (finest)' if i == 0 else ' (coarsest)' if i + 1 == len(heat.levels) else ''
        axes.set_title(f'level {i + 1}{scale}: {100 * level.sum():.0f} %', fontsize=9, color=INK)
    bar = figure.colorbar(drawn, cax=panels[-2])
    bar.set_label('share (%)', fontsize=8)
    bar.ax.tick_params(labelsize=8)
    bar.outline.set_visible(False)
    text = f'the class token\nkeeps {100 * heat.class_token:.0f} %'
    panels[-1].text(0.9, 0.5, text, transform=panels[-1].transAxes, fontsize=9, color=INK, va='center', ha='center')
    panels[-1].axis('off')


def _bare(axes) -> None:
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_color(GREY)
