"""How fast the engine is beside its peers, and whether its answers are right: the answer first, then the time."""
