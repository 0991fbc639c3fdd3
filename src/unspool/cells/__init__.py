"""Cells: one file each, with its equations, its parameters and its step. No device, no backend, no loop."""

from unspool.cells.base import Cell
from unspool.cells.elementwise import ElementwiseCell
from unspool.cells.gru import GRUCell
from unspool.cells.indrnn import IndRNNCell
from unspool.cells.layernorm_gru import LayerNormGRUCell
from unspool.cells.layernorm_lstm import LayerNormLSTMCell
from unspool.cells.linear_in import LinearIn
from unspool.cells.lstm import LSTMCell
from unspool.cells.registry import CELLS, cell_name, find_cell, load_cell
from unspool.cells.rnn import RNNCell

__all__ = [
    "CELLS",
    "Cell",
    "ElementwiseCell",
    "GRUCell",
    "IndRNNCell",
    "LSTMCell",
    "LayerNormGRUCell",
    "LayerNormLSTMCell",
    "LinearIn",
    "RNNCell",
    "cell_name",
    "find_cell",
    "load_cell",
]
