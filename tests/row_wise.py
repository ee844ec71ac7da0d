"""Rows as tests like to read them: one at a time, each with what it has."""


def row_wise(columns):
    """The rows of columns, as dictionaries without what is missing."""
    turned = (dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True))
    return [{name: value for name, value in row.items() if value is not None} for row in turned]
