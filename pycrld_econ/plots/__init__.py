"""Phase portraits of learning dynamics: flows, trajectories, fixed points."""

from types import SimpleNamespace

from .field import FlowField, flow_field
from .flow import plot_strategy_flow
from .layers import plot_manifolds, plot_nullclines, plot_ternary_flow, shade_basins, ternary_axes, to_ternary
from .markers import add_fixed_point_legend, fixed_point_handles, plot_fixed_points
from .portrait import Portrait, plot_portrait
from .style import COLORS, check_figure_path, save_figure, style
from .trajectories import plot_trajectories

FlowPlot = SimpleNamespace(plot_strategy_flow=plot_strategy_flow, plot_trajectories=plot_trajectories)
"The two functions under the name that scripts written for other libraries import."

__all__ = [
    "COLORS",
    "FlowField",
    "FlowPlot",
    "Portrait",
    "add_fixed_point_legend",
    "check_figure_path",
    "fixed_point_handles",
    "flow_field",
    "plot_fixed_points",
    "plot_manifolds",
    "plot_nullclines",
    "plot_portrait",
    "plot_strategy_flow",
    "plot_ternary_flow",
    "plot_trajectories",
    "save_figure",
    "shade_basins",
    "style",
    "ternary_axes",
    "to_ternary",
]
