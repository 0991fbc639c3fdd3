"""Tasks: from data to a model, its training, its metrics and its answers. Tasks do not import each other."""
