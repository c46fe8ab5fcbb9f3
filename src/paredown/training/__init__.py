"""How a module learns: rows, losses, changes at random, one loop for baselines, students and recovery."""
