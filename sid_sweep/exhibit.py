"""What a tracker keeps of a whole sweep beside its table: answer, sheet of samples, report."""

from sid_sweep.trials import SweepFolder


def make_exhibit(folder: SweepFolder) -> dict[str, str | bytes]:
    """Files by their names, of what the folder holds; it takes seconds."""
    from analysis import record, report, sources
    from analysis.comparison import make_comparison
    from analysis.inputs import Studied
    from analysis.plots import canvas, sheet
    from analysis.texts import html

    found = Studied(make_comparison(*sources.from_folder(folder)), record.from_folder(folder))
    comparison, pictures = found.comparison, found.record.pictures
    section = report.section(found)
    files: dict[str, str | bytes] = {
        "answer.md": f"**{' '.join(section.answer)}**",
        "report.html": html.page([section]),
    }
    drawn = sheet.sheet_figure(comparison.frame, comparison.arms, comparison.question, pictures)
    if drawn is not None:
        files["samples.png"] = canvas.render(drawn, kind="png")
    return files
