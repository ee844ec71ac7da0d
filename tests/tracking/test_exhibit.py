"""What a sweep's run keeps of the whole: made of the folder alone, and shown in MLflow."""

import io

from PIL import Image
from small_sweep import diverge, finish, folder_of, store_in, sweep

from sid_sweep.exhibit import make_exhibit
from sid_sweep.tracking import track
from sid_sweep.tracking.client import connect


def test_the_sweeps_run_shows_answer_samples_and_report(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = sweep(baseline={"loss.lambda": 1.0})
    folder, uri = folder_of(asked, tmp_path), store_in(tmp_path)
    first, *others = folder.entries(asked)
    diverge(first, 0, at=30)
    for entry in others:
        finish(entry, 0, 100)
    made = make_exhibit(folder)
    assert made.keys() == {"answer.md", "report.html", "samples.png"}
    with Image.open(io.BytesIO(made["samples.png"])) as sheet:
        assert sheet.width <= 660
        assert min(sheet.size) > 50
    with track(asked, folder, uri=uri, exhibit=lambda: make_exhibit(folder)) as tracker:
        for entry in folder.entries(asked):
            tracker.ended(entry, entry.folder.standing())
        tracker.concluded("| λ | js |", failed=False)
        tracker.drain()
    assert (tracker.unsent, tracker.trouble) == (0, "")
    client = connect(uri)
    experiment = client.get_experiment_by_name(asked.sweep)
    (parent,) = client.search_runs(
        [experiment.experiment_id], "tags.`sid_sweep.level` = 'sweep'", max_results=1
    )
    words = parent.data.tags["mlflow.note.content"]
    assert words.startswith("**No arm is shown to be better than the baseline (λ = 1).")
    assert words.endswith("| λ | js |")
    kept = {file.path for file in client.list_artifacts(parent.info.run_id)}
    assert kept >= {"samples.png", "report.html", "answer.md", "table.md"}
    report = tmp_path / "report.html"
    client.download_artifacts(parent.info.run_id, report.name, str(tmp_path))
    for entry in folder.entries(asked):
        assert entry.folder.path.name in report.read_text("utf-8")


def test_what_could_not_be_drawn_is_said_and_is_no_fault_of_the_store(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    asked = sweep()
    folder, uri = folder_of(asked, tmp_path), store_in(tmp_path)

    def broken():
        raise ValueError("no axis is left")

    with track(asked, folder, uri=uri, exhibit=broken) as tracker:
        tracker.concluded("| λ | js |", failed=False)
        tracker.drain()
    assert (tracker.unsent, tracker.trouble) == (0, "")
    assert list(tracker.remarks) == [
        "answer, samples and report could not be made: no axis is left"
    ]
    client = connect(uri)
    experiment = client.get_experiment_by_name(asked.sweep)
    (parent,) = client.search_runs([experiment.experiment_id])
    assert parent.info.status == "FINISHED"
    assert parent.data.tags["mlflow.note.content"].endswith("| λ | js |")
