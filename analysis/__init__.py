"""From runs to a table that can be published.

    runs.py         the tidy frame, the question it answers, Parquet in and out
    statistics.py   seeds to a mean with its interval; one row per arm
    health.py       what a careful referee would object to
    notation.py     how knobs, values and numbers are written
    tables.py       Markdown, CSV, LaTeX, terminal
    canvas.py       size, style and axes of a plot
    plots.py        the metric against a knob, the training curves
    report.py       the above in one call, without a file
    compare.py      the command

Only `compare.py` and the Parquet functions touch files, and nothing here imports ray, optuna,
mlflow or torch: a report can be made years later from `runs.parquet` alone.
"""
