"""How a step runs over time: `reference` is the definition of truth; `choose` says which engine runs, and why."""
