"""From trials to a table that can be published.

    sources.py      a sweep from its folder, from MLflow or from an exported file
    question.py     what a sweep asks
    frame.py        the tidy frame: a row per arm, seed and evaluation; Parquet in and out
    notation.py     how knobs, values and numbers are written
    verdicts/       what may be claimed of each arm, and what speaks against it
    texts/          tables, sentences, a page
    plots/          figures
    record.py       what is known of a sweep beside its trials
    comparison.py   frame, arms and warnings in one, without a file
    inputs.py       which sweeps a command is about
    compare.py      the command that writes tables and plots
    report.py       the command that writes a page to send
    trace.py        which runs made a number
    verify.py       the command that runs a trial again and compares its metrics bit for bit

Files are touched by `sources.py`, `record.py`, `plots/sheet.py`, the commands and the Parquet
functions alone, and nothing here imports ray, mlflow or torch; `verdicts/importance.py` asks Optuna
when it is called. The words (outcomes, columns, how a value is written) are those of
`sid_sweep.spec` and `sid_sweep.trials`, which this package reads and which know nothing of it.
"""
