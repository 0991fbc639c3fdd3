"""Layers: everything that is built of cells and `unfold`."""
