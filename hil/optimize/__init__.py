"""From channels to patterns: the objective, the optimizers behind one seam, and certified bounds."""
