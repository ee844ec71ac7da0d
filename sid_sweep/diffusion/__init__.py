"""Noise: processes, levels, closed-form scores, solvers. Tensors in, tensors out."""
