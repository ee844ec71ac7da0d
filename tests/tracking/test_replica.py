"""A replica is the folder once more, whenever its machine is lost; nothing there is half."""

from pathlib import Path

import fsspec
import pytest
import small_sweep
from fsspec.implementations.memory import MemoryFileSystem
from small_sweep import diverge, finish, folder_of, train

from sid_sweep.files import write_json
from sid_sweep.search import mend
from sid_sweep.spec import SpecError
from sid_sweep.tracking import replicate, restore
from sid_sweep.tracking import tracker as tracker_module
from sid_sweep.tracking.replica import Place, Replica
from sid_sweep.trials import SweepFolder


@pytest.fixture(params=["memory", "file"])
def uri(request, tmp_path):
    MemoryFileSystem.store.clear()
    MemoryFileSystem.pseudo_dirs[:] = [""]
    return "memory://bucket/sweeps" if request.param == "memory" else f"file://{tmp_path}/there"


@pytest.fixture
def sweep():
    return small_sweep.sweep()


@pytest.fixture
def folder(sweep, tmp_path):
    own = folder_of(sweep, tmp_path / "here")
    teacher = own.cache / "teachers" / "abc.safetensors"
    teacher.parent.mkdir(parents=True)
    teacher.write_bytes(b"a teacher")
    teacher.with_suffix(".lock").touch()
    (own.path / "driver.lock").touch()
    for place in (own.logs, own.scratch):
        place.mkdir()
        (place / "of_ray").touch()
    return own


def contents(folder: SweepFolder) -> dict[str, bytes]:
    """All that a replica must hold, by name."""
    storage = folder.path.parent
    found = {p.relative_to(storage).as_posix(): p for p in storage.rglob("*") if p.is_file()}
    but = (".lock", "of_ray")
    return {name: p.read_bytes() for name, p in found.items() if not name.endswith(but)}


def held(uri: str) -> dict[str, bytes]:
    place = Place(uri)
    names = [*place.sizes("small"), *place.sizes("cache")]
    return {name: place.files.cat_file(f"{place._root}/{name}") for name in names}


def elsewhere(folder: SweepFolder, tmp_path: Path) -> SweepFolder:
    """The folder of the same sweep on another machine."""
    return SweepFolder(tmp_path / "elsewhere" / folder.path.name)


def test_a_finished_sweep_is_there_whole_and_comes_back_whole(sweep, folder, uri, tmp_path):
    with replicate(folder, uri) as tracker:
        for entry in folder.entries(sweep):
            tracker.started(entry)
            tracker.ended(entry, finish(entry, 0, 100))
        tracker.concluded("", failed=False)
        tracker.drain()
    assert tracker.unsent == 0
    assert held(uri) == contents(folder)
    other = elsewhere(folder, tmp_path)
    assert restore(other, uri) == len(contents(folder))
    assert contents(other) == contents(folder)
    assert restore(other, uri) == 0
    assert not list(other.path.parent.glob(".*"))


def test_a_trial_is_followed_while_it_trains_and_what_it_drops_goes(sweep, folder, uri):
    entry, replica = folder.entries(sweep)[0], Replica(folder, uri)
    train(entry, 0)
    entry.folder.checkpoint.write_bytes(b"at 0")
    replica.show(entry)
    assert held(uri) == contents(folder)
    train(entry, 100, after=0)
    entry.folder.checkpoint.write_bytes(b"at 1")  # of the same size
    replica.show(entry)
    assert held(uri) == contents(folder)
    result = finish(entry, 0, 100)
    assert not entry.folder.checkpoint.exists()
    replica.end(entry, result)
    assert held(uri) == contents(folder)


def test_what_is_there_already_is_not_sent_again(sweep, folder, uri, monkeypatch):
    done, running = folder.entries(sweep)[:2]
    finish(done, 0, 100)
    train(running, 0)
    Replica(folder, uri).interrupt()
    sent, put = [], Place.put
    monkeypatch.setattr(
        Place, "put", lambda own, path, name: (sent.append(name), put(own, path, name))
    )
    again = Replica(folder, uri)
    again.interrupt()
    assert not [name for name in sent if name.startswith("cache") or done.folder.path.name in name]
    assert f"small/trials/{running.folder.path.name}/measurements.jsonl" in sent
    sent.clear()
    again.interrupt()
    assert sent == []


def test_lost_after_any_file_it_goes_on_from_what_is_there(sweep, folder, uri, tmp_path):
    """What the command finds is what a kill may leave: no result without its measurements."""

    class Lost(BaseException):
        pass

    def tell(most):
        replica, put = Replica(folder, uri), Place.put
        left = [most]

        def until_lost(place, path, name):
            if left[0] == 0:
                raise Lost
            left[0] -= 1
            put(place, path, name)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Place, "put", until_lost)
            for entry in folder.entries(sweep):
                replica.end(entry, entry.folder.standing())
        return left[0]

    for number, entry in enumerate(folder.entries(sweep)):
        (diverge(entry, 0, at=50) if number == 1 else finish(entry, 0, 100))
    for most in range(100):
        fs = Place(uri).files
        if fs.exists(Place(uri)._root):
            fs.rm(Place(uri)._root, recursive=True)
        try:
            left = tell(most)
        except Lost:
            left = 0
        other = SweepFolder(tmp_path / "elsewhere" / str(most) / "small")
        if restore(other, uri):
            lines = mend(other, sweep) if other.exists() else []
            assert not [line for line in lines if "trials/" in line], (most, lines)
            for own in other.entries(sweep):
                standing = own.folder.standing()
                assert not standing.is_end or len(own.folder.measurements()) > 0
        if left:
            break
    assert most > 20


def test_a_place_that_fails_is_tried_again_and_told(sweep, folder, uri, monkeypatch):
    for name in ("RETRY_SECONDS", "BEGINNING_SECONDS"):
        monkeypatch.setattr(tracker_module, name, 0.01)
    calls, put = [0], Place.put

    def unsteady(place, path, name):
        calls[0] += 1
        if calls[0] % 3 == 0:
            raise ConnectionError("it is away")
        put(place, path, name)

    monkeypatch.setattr(Place, "put", unsteady)
    with replicate(folder, uri) as tracker:
        for entry in folder.entries(sweep):
            tracker.ended(entry, finish(entry, 0, 100))
        deadline = tracker_module.time.monotonic() + 20
        while tracker.pending and tracker_module.time.monotonic() < deadline:
            tracker_module.time.sleep(0.01)
    assert tracker.unsent == 0
    assert held(uri) == contents(folder)


def test_what_breaks_off_leaves_no_half_file(folder, uri, tmp_path):
    place = Place(uri)
    source = tmp_path / "source"
    source.write_bytes(b"old")
    place.put(source, "small/file")
    with pytest.raises(IsADirectoryError):
        place.put(tmp_path, "small/file")
    assert place.text("small/file") == "old"


def test_another_sweep_of_its_name_is_refused_and_left_alone(sweep, folder, uri, tmp_path):
    Replica(folder, uri).interrupt()
    other = folder_of(sweep, tmp_path / "other")
    write_json(other.path / "identity.json", {"identity": "another"})
    before = held(uri)
    with pytest.raises(SpecError, match=r"holds another sweep called small than .*other/sweeps"):
        restore(other, uri)
    assert held(uri) == before


def test_a_place_without_the_sweep_is_no_error(folder, uri, tmp_path):
    assert restore(elsewhere(folder, tmp_path), uri) == 0
    assert not elsewhere(folder, tmp_path).path.exists()
    assert restore(folder, uri) == 0


@pytest.mark.parametrize("name", ["small/../../outside", "cache/../../outside"])
def test_a_name_that_leads_out_is_refused_before_anything_is_taken(
    folder, uri, tmp_path, monkeypatch, name
):
    Replica(folder, uri).interrupt()
    sizes = Place.sizes

    def hostile(place, below):
        return sizes(place, below) | ({name: 1} if name.startswith(below) else {})

    monkeypatch.setattr(Place, "sizes", hostile)
    other = elsewhere(folder, tmp_path)
    with pytest.raises(SpecError, match=f"holds {name}, which leads out of the folder"):
        restore(other, uri)
    assert not other.path.parent.exists()


@pytest.mark.parametrize(
    ("uri", "why"),
    [
        ("nowhere://me:secret@bucket", "Protocol not known: nowhere"),
        ("here", "is where the sweep lies; name another place"),
    ],
)
def test_a_place_that_cannot_be_is_one_line_without_secrets(folder, uri, why):
    uri = str(folder.path.parent) if uri == "here" else uri
    with pytest.raises(SpecError, match=why) as found:
        restore(folder, uri)
    assert "secret" not in str(found.value)
    assert "\n" not in str(found.value)


def test_a_missing_package_is_named(folder, monkeypatch):
    def lacking(uri):
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec.core, "url_to_fs", lacking)
    with pytest.raises(SpecError, match="--replica s3://bucket: Install s3fs to access S3"):
        restore(folder, "s3://bucket")
