"""sid_sweep: ask a question about Score identity Distillation in YAML, get a table back."""
