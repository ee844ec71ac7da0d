"""What a tracker keeps of a whole sweep beside its table: answer, sheet of samples, report."""

import io

from PIL import Image

from sid_sweep.trials import SweepFolder

SHEET_PIXELS = 660, 6600  # at most: a wider one stretches MLflow's page, whose table then is hidden


def make_exhibit(folder: SweepFolder) -> dict[str, str | bytes]:
    """Files by their names, of what the folder holds; it takes seconds."""
    from analysis import record, report, sources
    from analysis.comparison import make_comparison
    from analysis.inputs import Studied
    from analysis.plots import canvas, sheet
    from analysis.texts import html

    found = Studied(make_comparison(*sources.from_folder(folder)), record.from_folder(folder))
    comparison, known = found.comparison, found.record
    section = report.section(found)
    files: dict[str, str | bytes] = {
        "answer.md": f"**{' '.join(section.answer)}**",
        "report.html": html.page([section]),
    }
    parts = comparison.frame, comparison.arms, comparison.question
    drawn = sheet.sheet_figure(*parts, known.pictures, data=known.data)
    if drawn is not None:
        files["samples.png"] = _fitted(canvas.render(drawn, kind="png"))
    return files


def _fitted(png: bytes) -> bytes:
    """A picture no larger than a page shows it; the report has it in full."""
    small = io.BytesIO()
    with Image.open(io.BytesIO(png)) as picture:
        picture.thumbnail(SHEET_PIXELS)
        picture.save(small, "png")
    return small.getvalue()
