"""Noise: processes, levels, closed-form scores, samplers. Tensors in, tensors out."""
