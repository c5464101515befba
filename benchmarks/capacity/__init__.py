"""How many sessions a machine can serve, and what happens beyond: simulated (REC-81)."""
