"""Figures with alt text, tables, widgets and quizzes, all in one style."""
from dlbook.show.attention import attention_from, attention_heads, attention_map
from dlbook.show.block import block_diagram
from dlbook.show.chat import chat
from dlbook.show.diagram import diagram
from dlbook.show.figures import confusion, curves, display_png, figure, grid, mistakes, new_figure, numbers, png, spread
from dlbook.show.film import film
from dlbook.show.gates import cells, gates
from dlbook.show.network import network
from dlbook.show.page import quiz, table
from dlbook.show.painter import painter
from dlbook.show.pick import Point, pick
from dlbook.show.plane import Scene, coverage, lattice, points, scenes
from dlbook.show.texts import agreement, learning, next_symbols, one_hot, orders, pages, sample_html, samples
from dlbook.show.unrolled import unrolled
from dlbook.show.which import Round, which
from dlbook.show.widgets import as_jpeg, frames, frames_of_two, verdict

__all__ = ["Point", "Round", "Scene", "agreement", "as_jpeg", "attention_from", "attention_heads", "attention_map", "block_diagram", "cells", "chat",
           "confusion", "coverage", "curves", "diagram", "display_png", "figure", "film", "frames", "frames_of_two", "gates", "grid", "lattice",
           "learning", "mistakes", "network", "new_figure", "next_symbols", "numbers", "one_hot", "orders", "pages", "painter", "pick", "png",
           "points", "quiz", "sample_html", "samples", "scenes", "spread", "table", "unrolled", "verdict", "which"]
