"""The report as a user makes it, and what its answer claims."""

import base64
import hashlib
import json
import re
from pathlib import Path

import pytest
from lambda_sweep import frame, question, report_of, rows, run_rows, sweep_of
from PIL import Image

from analysis import inputs
from analysis.compare import write
from analysis.frame import tidy, write_parquet
from analysis.inputs import Studied
from analysis.plots.sheet import sheet_figure, sheet_seed
from analysis.record import Record, beside, from_folder
from analysis.report import main, section
from analysis.texts import answer, html
from analysis.texts.methods import methods, methods_latex
from sid_sweep.spec import load
from sid_sweep.trials import SweepFolder
from sid_sweep.trials.agreement import agree

SPACES = Path(__file__).parents[2] / "search_spaces"
RUN = {
    "commit": "0123456789abcdef",
    "versions": {"torch": "2.11"},
    "processor": "a processor",
    "cpus": 2,
    "gpus": [],
}
SWEEP = {"search": {"sampler": "tpe", "arms": 4, "seed": 7}, "fixed": {"data": {"kind": "mixture"}}}


@pytest.fixture
def parquet(tmp_path):
    path = tmp_path / "runs.parquet"
    write_parquet(frame(), question(), path)
    return path


def said(data, **changes):
    report = report_of(data, question(**changes))
    return " ".join(answer.answer(report.arms, report.question))


def studied(**known):
    return Studied(report_of(rows(), question()), Record(**known))


def test_one_file_holds_it_all_and_fetches_nothing(parquet, tmp_path, capsys):
    out = tmp_path / "report.html"
    assert main(["--from", str(parquet), "--out", str(out)]) == 0
    text = out.read_text("utf-8")
    report = report_of(rows(), question())
    for sentence in (report.question.question, *report.warnings, "0.875 [0.855, 0.894]"):
        assert html.escape(sentence) in text
    pictures = re.findall(r'src="data:image/png;base64,([^"]+)"', text)
    assert len(pictures) == 4
    assert all(base64.b64decode(own).startswith(b"\x89PNG") for own in pictures)
    assert not re.search(r"(src|href)=\"(?!data:|#)|<script|@import|url\(", text)
    assert str(out) in capsys.readouterr().out
    again = tmp_path / "again.html"
    assert main(["--from", str(parquet), "--out", str(again)]) == 0
    assert again.read_bytes() == out.read_bytes()


def test_several_sweeps_have_an_overview(parquet, tmp_path):
    asked = question(sweep="other", question="And <this>?")
    write_parquet(tidy([r | {"sweep": "other"} for r in rows()], asked), asked, tmp_path / "other")
    both = ["--from", str(parquet), "--from", str(tmp_path / "other")]
    assert main([*both, "--out", str(tmp_path / "r.html")]) == 0
    text = (tmp_path / "r.html").read_text("utf-8")
    assert text.count('<section class="sweep"') == 2
    assert '<a href="#other">' in text
    assert "And &lt;this&gt;?" in text
    assert "<this>" not in text


def test_bad_input_is_one_line_and_status_2(parquet, tmp_path, capsys):
    for arguments, message in (
        ([], "name a sweep"),
        (["--from", parquet, "--from", parquet], "named twice"),
        (["--from", parquet, "--out", tmp_path], "is a folder; name a file"),
        (["nosuch", "--storage", tmp_path], "no sweep 'nosuch'"),
    ):
        assert main([str(argument) for argument in arguments]) == 2
        captured = capsys.readouterr()
        assert captured.err.startswith("error: ")
        assert captured.err.count("\n") == 1
        assert message in captured.err


def test_the_answer_names_what_is_shown_and_with_which_certainty():
    text = said(rows())
    assert "Better than the baseline (λ = 0.5): λ = 1: ratio 0.875 [0.855, 0.894], n = 3." in text
    assert "Worse than the baseline (λ = 0.5): λ = 0: ratio 17.5 [16.4, 18.7], n = 3." in text
    assert "Undecided: λ = 1.5: 2 of 3 seeds lost." in text
    assert text.endswith("hold a false one with probability at most 5%.")


def test_the_answer_claims_nothing_that_no_verdict_holds():
    equal = sweep_of({0.5: (1.0, 1.1, 1.2), 1.0: (1.1, 1.0, 1.25)})
    text = said(equal)
    assert text.startswith("No arm is shown to be better than the baseline (λ = 0.5).")
    assert "Undecided: λ = 1: ratio" in text
    assert "claims together" not in text
    assert said(equal, baseline={}).startswith("Undecided: λ = ")
    lost = sweep_of({0.5: (None, None), 1.0: (None, None)})
    assert said(lost, baseline={}) == "Undecided: no arm has finished at every seed."


def test_an_unfinished_sweep_is_marked():
    running = run_rows(1, 2, {"loss.lambda": 1.0}, final=None, outcome="running")
    data = [*sweep_of({0.5: (1.0, 1.1, 1.2), 1.0: (1.1, 1.0)}), *running]
    page = html.page([section(Studied(report_of(data, question()), Record()))])
    assert '<span class="badge">preliminary</span>' in page
    assert "Preliminary, as not all trials have ended: " in page
    assert "badge" not in html.page([section(studied())]).partition("<body>")[2]
    short = report_of(sweep_of({0.5: (1.0, 1.1), 1.0: (1.1, 1.0)}), question())
    assert short.preliminary  # a seed has not started


def test_runs_are_linked_where_there_is_a_server_and_without_its_credentials():
    store = {"tracking_uri": "http://me:hunter2@host:5000/", "experiment_id": "7"}
    linked = html.page([section(studied(**store))])
    page = "http://host:5000/#/experiments/7/runs/run00?workflowType=machine_learning"
    assert f'<a href="{page}">run00</a>' in linked
    assert "hunter2" not in linked
    assert "#/exp" not in html.page([section(studied(tracking_uri="sqlite:///mlflow.db"))])


def test_methods_say_space_sampler_seeds_losses_and_machine():
    own = studied(sweep=SWEEP, runs=(RUN,))
    comparison = own.comparison
    parts = (comparison.frame, comparison.arms, comparison.question, own.record)
    text = methods(*parts)
    for words in (
        "loss.lambda in {0, 0.5, 1, 1.5}",
        "tree-structured Parzen estimator (4 arms, sampler seed 7)",
        "the same 3 seeds (0, 1, 2)",
        "12 trials of 4 arms (2 diverged)",
        "a processor (2 cores, no GPU)",
        "torch 2.11",
        "Commit: 0123456789ab.",
    ):
        assert words in text
    assert r"loss.lambda in \{0, 0.5, 1, 1.5\}" in methods_latex(*parts)
    bare = methods(*parts[:3], Record())
    assert "Hardware" not in bare
    assert "Parzen" not in bare


def test_methods_say_how_arms_were_screened_and_stopped():
    asked = question(seeds=[1, 2], screen=[0], keep=2, sequential=True)
    report = report_of(rows(), asked)
    text = methods(report.frame, report.arms, asked, Record())
    assert "screened on 1 seeds; the best 2 and the baseline were run again on 2 fresh" in text
    assert "anytime-valid" in text


def test_provenance_goes_with_the_exported_file(parquet, tmp_path):
    write(studied(sweep=SWEEP, runs=(RUN,)), tmp_path / "out")
    options = ["--from", str(tmp_path / "out" / "runs.parquet")]
    parser = __import__("argparse").ArgumentParser()
    inputs.add_sources(parser)
    (own,) = inputs.studied(parser.parse_args(options))
    assert own.record.runs == (RUN,)
    assert own.record.sweep == SWEEP
    assert set(own.record.provenance()["digests"]) == {"data", "sweep"}
    (tmp_path / "out" / "provenance.json").write_text("[]")
    with pytest.raises(ValueError, match="is no provenance of a sweep"):
        inputs.studied(parser.parse_args(options))


def test_provenance_says_what_the_files_held_that_somebody_else_made(tmp_path):
    folder = SweepFolder(tmp_path / "faces")
    held = {name: f"what {name} holds".encode() for name in ("teacher.pkl", "data.zip", "fid.pth")}
    places = {name: str(tmp_path / name) for name in held}
    for name, content in held.items():
        (tmp_path / name).write_bytes(content)
    knobs = {"teacher": "teacher.pkl", "data": "data.zip", "evaluation.features": "fid.pth"}
    overrides = [f"{knob}.path={places[name]}" for knob, name in knobs.items()]
    agree(folder, load(SPACES / "lambda_ffhq64.yaml", overrides))
    known = from_folder(folder)
    sums = {places[name]: hashlib.sha256(content).hexdigest() for name, content in held.items()}
    assert known.provenance()["files"] == sums
    page = html.page([section(studied(files=known.files))])
    assert all(own in page for own in sums.values())
    write(studied(files=known.files), tmp_path / "out")
    assert beside(tmp_path / "out" / "runs.parquet").files == sums


def test_a_report_of_a_folder_links_to_the_server_that_it_was_sent_to(tmp_path):
    folder = SweepFolder(tmp_path / "lambda")
    agree(folder, load(SPACES / "lambda.yaml"))
    assert from_folder(folder).tracking_uri == ""
    noted = {"value": "x", "uri": "http://***@host:5000", "experiment_id": "7"}
    folder.cursor("0").write_text(json.dumps(["identity", noted]) + "\n")
    known = from_folder(folder)
    where = {"tracking_uri": known.tracking_uri, "experiment_id": known.experiment_id}
    page = "http://host:5000/#/experiments/7/runs/run00?workflowType=machine_learning"
    assert f'<a href="{page}">run00</a>' in html.page([section(studied(**where))])


def test_the_sheet_shows_every_arm_at_one_seed(tmp_path):
    path = tmp_path / "a.png"
    Image.new("RGB", (16, 16), "red").save(path)
    report = report_of(rows(), question())
    pictures = {(arm, seed): path for arm in range(4) for seed in (1, 2) if (arm, seed) != (3, 1)}
    assert sheet_seed(pictures, report.question) == 2
    figure = sheet_figure(report.frame, report.arms, report.question, pictures)
    titles = [ax.get_title() for ax in figure.axes]
    assert titles == ["λ = 0\njs 29", "λ = 0.5\njs 1.7", "λ = 1\njs 1.5", "λ = 1.5\ndiverged"]
    assert [len(ax.images) for ax in figure.axes] == [1, 1, 1, 1]
    assert sheet_figure(report.frame, report.arms, report.question, {}) is None
    figure = sheet_figure(report.frame, report.arms, report.question, pictures, data=path)
    assert [ax.get_title() for ax in figure.axes] == ["data\n", *titles]
