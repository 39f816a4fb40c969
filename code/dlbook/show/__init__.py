"""Figures with alt text, tables, widgets and quizzes, all in one style."""
from dlbook.show.block import block_diagram
from dlbook.show.diagram import diagram
from dlbook.show.figures import confusion, curves, display_png, figure, grid, mistakes, new_figure, numbers, png, spread
from dlbook.show.network import network
from dlbook.show.page import quiz, table
from dlbook.show.pick import Point, pick
from dlbook.show.widgets import frames, verdict

__all__ = ["Point", "block_diagram", "confusion", "curves", "diagram", "display_png", "figure", "frames", "grid", "mistakes", "network", "new_figure", "numbers", "pick", "png", "quiz", "spread", "table", "verdict"]
