"""From trials to a table that can be published.

    sources.py      a sweep from its folder, from MLflow or from an exported file
    question.py     what a sweep asks
    frame.py        the tidy frame: a row per arm, seed and evaluation; Parquet in and out
    statistics.py   one short function per statistic: intervals, paired effects, families of claims
    evidence.py     what the seeds say of one arm against another: claims and verdicts
    selection.py    which arms stand in a table: the best tuned of each setting, the confirmed
    budgets.py      whether arms were given the same: images, compute, seconds
    pareto.py       how often an arm is in the Pareto set when seeds are resampled
    arms.py         trials to a row per arm: its mean, what it lost, the verdict
    referee.py      which arms get more seeds while a sweep runs
    importance.py   which knobs the metric hangs on
    edges.py        whether the best arm stands at the end of a range
    power.py        whether the seeds suffice
    health.py       what a careful referee would object to
    draws.py        random numbers that follow from a question
    notation.py     how knobs, values and numbers are written
    tables.py       Markdown, CSV, terminal
    latex.py        LaTeX that fits one column or two
    palette.py      colours and markers that differ for every eye
    canvas.py       size, style and axes of a plot
    plots.py        all plots; the metric against a knob
    curves.py       the metric while training
    slopes.py       each seed from the baseline to an arm
    maps.py         plots over two knobs, and quality against cost
    sheet.py        what the students of all arms draw
    comparison.py   frame, arms and warnings in one, without a file
    answer.py       what the verdicts say, in sentences
    methods.py      how it was done, in a paragraph
    record.py       what is known of a sweep beside its trials
    html.py         a report as one page
    inputs.py       which sweeps a command is about
    compare.py      the command that writes tables and plots
    report.py       the command that writes a page to send
    trace.py        which runs made a number
    verify.py       the command that runs a trial again and compares its metrics bit for bit

Files are touched by `sources.py`, `record.py`, `sheet.py`, the commands and the Parquet functions
alone, and nothing here imports ray, mlflow or torch; `importance.py` asks Optuna when it is called.
The words (outcomes, columns, how a value is written) are those of `sid_sweep.spec` and
`sid_sweep.trials`, which this package reads and which know nothing of it.
"""
