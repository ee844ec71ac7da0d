"""From trials to a table that can be published.

    sources.py      a sweep from its folder, from MLflow or from an exported file
    question.py     what a sweep asks
    frame.py        the tidy frame: a row per arm, seed and evaluation; Parquet in and out
    statistics.py   one short function per statistic: intervals, paired effects, families of claims
    evidence.py     what the seeds say of one arm against another: claims and verdicts
    selection.py    which arms stand in a table: the best tuned of each setting, the confirmed
    arms.py         trials to a row per arm: its mean, what it lost, the verdict
    referee.py      which arms get more seeds while a sweep runs
    health.py       what a careful referee would object to
    notation.py     how knobs, values and numbers are written
    tables.py       Markdown, CSV, LaTeX, terminal
    canvas.py       size, style and axes of a plot
    plots.py        the metric against a knob, the training curves
    maps.py         plots over two knobs, and quality against cost
    comparison.py   the above in one call, without a file
    compare.py      the command
    trace.py        which runs made a number
    verify.py       the command that runs a trial again and compares its metrics bit for bit

Files are touched by `sources.py`, `compare.py` and the Parquet functions alone, and nothing here
imports ray, optuna, mlflow or torch. The words (outcomes, columns, how a value is written) are
those of `sid_sweep.spec` and `sid_sweep.trials`, which this package reads and which know nothing
of it.
"""
