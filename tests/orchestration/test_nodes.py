"""A node is fit for trials if its versions are the driver's and both see each other's files."""

import socket
import subprocess
import sys
import threading

import pytest

from sid_sweep.orchestration import examine as examines
from sid_sweep.orchestration import nodes as module
from sid_sweep.orchestration.examine import WORD, examine, versions
from sid_sweep.orchestration.machine import Capacity
from sid_sweep.orchestration.nodes import SILENT, Node, Nodes, Unfit

ALONE = """\
import sys
source = open(sys.argv[1]).read()
space = {}
exec(compile(source, "examine", "exec"), space)
print(space["versions"]()["its code"], "sid_sweep" in sys.modules)
"""


@pytest.fixture(autouse=True)
def at_once(monkeypatch):
    monkeypatch.setattr(examines, "SEE_SECONDS", 0.0)


@pytest.fixture
def nodes(tmp_path):
    """Of a cluster whose driver writes into a folder."""
    own = Nodes(tmp_path / "ray" / "nodes", say=print)
    with own.written():
        yield own


def node(name="7", trouble=None, place=("127.0.0.1", 1)):
    return Node(name, f"10.0.0.{name}", place, Capacity(2, 0.0), 0.0, None, trouble)


def judged(nodes, folder, **other):
    there, trouble = examine(str(folder), nodes._word, "7")
    return nodes._judge(node(), there | other, trouble)


def test_a_node_that_shares_the_folder_and_the_versions_is_fit(nodes):
    assert judged(nodes, nodes._folder) == ""


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"ray": "2.59.0"}, "ray 2.59.0 there, "),
        ({"Python": "3.12.1"}, "Python 3.12.1 there, "),
        ({"its code": "absent", "sid-sweep": "absent"}, "sid-sweep absent there, "),
    ],
)
def test_versions_that_differ_are_told(nodes, other, words):
    trouble = judged(nodes, nodes._folder, **other)
    assert words in trouble
    assert trouble.endswith("; install the same versions on all nodes")
    assert trouble.count(" here") == len(other)


def test_a_folder_that_is_not_there_is_told(nodes, tmp_path):
    trouble = judged(nodes, tmp_path / "elsewhere")
    assert trouble.startswith(
        f"it does not share {tmp_path} (No such file or directory); --storage"
    )


def test_a_folder_of_the_same_name_is_not_taken_for_the_drivers(nodes, tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    (other / WORD).write_text("of another command")
    assert "(another file is there)" in judged(nodes, other)
    (other / WORD).write_text(nodes._word)  # as if a copy were mounted there
    assert "(what it writes is not seen here)" in judged(nodes, other)


def test_nothing_of_the_examination_is_left(nodes, tmp_path):
    own = Nodes(tmp_path / "gone", say=print)
    with own.written():
        examine(str(tmp_path / "gone"), own._word, "7")
        assert len(list((tmp_path / "gone").iterdir())) == 2
    assert list((tmp_path / "gone").iterdir()) == []


def test_only_who_is_fit_counts(nodes):
    nodes._nodes = {own.id: own for own in (node("1", ""), node("2", "no"), node("3"))}
    assert nodes.capacities() == [Capacity(2, 0.0)]
    assert nodes.unfit() == ("2", "3")
    nodes._nodes.pop("3")
    with pytest.raises(Unfit, match=r"^node 10\.0\.0\.2: no$"):
        nodes.settle(lambda: None)


def test_a_node_that_does_not_answer_is_lost_before_ray_says_so(nodes):
    with socket.create_server(("127.0.0.1", 0)) as server:
        own = node("1", "", server.getsockname())
        nodes._nodes = {"1": own}
        assert not nodes.lost_one()
        assert nodes.unfit() == ()
    assert nodes.lost_one()
    assert nodes.unfit() == ("1",)
    assert nodes.capacities() == []


def test_nodes_that_do_not_answer_are_asked_at_once(nodes, monkeypatch):
    """A rack without power refuses nothing: one after the other, they would take minutes."""
    num = 32
    all_asked = threading.Barrier(num)

    def listens(node):
        all_asked.wait(timeout=20)
        return node.id == "7"

    monkeypatch.setattr(module, "_listens", listens)
    nodes._nodes = {str(i): node(str(i), "", ("10.0.0.1", i)) for i in range(num)}
    assert nodes.lost_one()
    assert [own.id for own in nodes._nodes.values() if own.trouble == ""] == ["7"]
    nodes._nodes.pop("7")
    monkeypatch.setattr(module, "_listens", lambda node: node.id == "3")
    nodes._hear(SILENT)
    assert [own.id for own in nodes._nodes.values() if own.trouble == ""] == ["3"]


def test_the_examination_needs_nothing_of_this_package():
    """It is sent to nodes that may lack it."""
    done = subprocess.run(
        [sys.executable, "-c", ALONE, examines.__file__], capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == [versions()["its code"], "False"]
