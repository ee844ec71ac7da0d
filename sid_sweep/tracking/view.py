"""What MLflow shows first: the runs table, its charts, and the addresses of pages and pictures.

The view is kept as a tag of the experiment, in the words of MLflow's own page, which takes it where
an address names it. Arms stand by the objective, the best first; seeds are left to their own pages.
"""

from typing import Any
from urllib.parse import quote

from sid_sweep.spec import Sweep

VIEW = "sid_sweep"  # its name in an address
FINAL = "final/"  # before a metric: its value where all was trained to the end, and nowhere else
SAMPLES, SHEET = "appearance/student", "appearance/arms"
"""Names of pictures. MLflow shows sections in alphabetical order: this one comes first."""
MACHINE_LEARNING = "workflowType=machine_learning"
"""Of an address: else MLflow opens a page as one of a GenAI project."""
SECTION = "sid_sweep"
MOST_RUNS = 60  # on a chart
NAME_PIXELS, OUTCOME_PIXELS, PIXELS = 250, 170, 100  # widths of columns


def runs_page(experiment_id: str) -> str:
    """The runs table with our view, below a server's address."""
    return f"#/experiments/{experiment_id}/runs?{MACHINE_LEARNING}&viewStateShareKey={VIEW}"


def run_page(experiment_id: str, run_id: str) -> str:
    """A run's own page, below a server's address."""
    return f"#/experiments/{experiment_id}/runs/{run_id}?{MACHINE_LEARNING}"


def shown(title: str, *, run_id: str, path: str) -> str:
    """Markdown of a picture that a run keeps, for a description."""
    return f"![{title}](get-artifact?path={quote(path, safe='/')}&run_uuid={run_id})"


def view_state(sweep: Sweep, *, level: str, outcome: str, nested: bool) -> dict[str, Any]:
    """Of MLflow's runs page: which runs in which order, which columns, which charts.

    Args:
        level, outcome: names of tags.
        nested: whether arms have runs of their own, above those of their seeds.
    """
    objective, *others = (f"metrics.`{FINAL}{name}`" for name in shown_metrics(sweep))
    knobs, ended = [f"params.`{knob}`" for knob in sweep.domains], f"tags.`{outcome}`"
    columns, name = [objective, ended, *knobs, *others], "attributes.`Run Name`"
    return {
        "searchFilter": f"tags.`{level}` != 'seed'" if nested else "",
        "orderByKey": objective,
        "orderByAsc": sweep.objective.goal == "minimize",
        "selectedColumns": columns,
        "columnOrder": [name, *columns],
        "columnWidths": dict.fromkeys(columns, PIXELS) | {name: NAME_PIXELS, ended: OUTCOME_PIXELS},
        "runsHiddenMode": "SHOW_ALL",
        "isAccordionReordered": True,  # else MLflow puts our section among its own
        "compareRunCharts": _charts(sweep),
        "compareRunSections": [
            {"uuid": SECTION, "name": "The question", "display": True, "isGenerated": False}
        ],
    }


def shown_metrics(sweep: Sweep) -> list[str]:
    """The objective, then what a table shows beside it."""
    outline = sweep.outline()
    return [outline["metric"], *outline["columns"]]


def _charts(sweep: Sweep) -> list[dict[str, Any]]:
    """The objective of each arm, its course over images, what the students draw."""
    metric, ratios = sweep.objective.metric, sweep.outline()["scale"] == "ratio"
    line = {
        "type": "LINE",
        "metricKey": metric,
        "displayName": f"{metric} while training, over images",
        "lineSmoothness": 0,
        "xAxisScaleType": "linear",
        "scaleType": "log" if ratios else "linear",
        "range": {},
        "xAxisKey": "step",
        "selectedXAxisMetricKey": "",
        "yAxisKey": "metric",
        "yAxisExpressions": [],
        "ignoreOutliers": False,
        "useGlobalXaxisKey": True,
        "useGlobalLineSmoothing": True,
    }
    final, end = f"{FINAL}{metric}", f"{metric} at the end"
    cards = [
        {"type": "BAR", "metricKey": final, "displayName": end},
        line,
        {"type": "IMAGE", "imageKeys": [SAMPLES], "step": 0, "showRunParams": False},
    ]
    common = {"runsCountToCompare": MOST_RUNS, "metricSectionId": SECTION, "deleted": False}
    return [
        {"uuid": f"{SECTION} {place}", "isGenerated": False, **common, **card}
        for place, card in enumerate(cards)
    ]
