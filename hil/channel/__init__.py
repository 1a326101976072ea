"""Propagation: pure functions of explicit paths. Truth only; no instrument and no estimator reads this room."""
