"""Nothing in a file is run: each attack writes a file if it works, and none is written."""

import io
import os
import pickle
import sys
from collections import OrderedDict
from pathlib import Path

import numpy as np
import pytest
import torch

from sid_sweep.teachers import edm, edm_pickle

sys.path.insert(0, str(Path(__file__).parent))
import official


class Call:
    """Pickled as a call."""

    def __init__(self, function, *args):
        self.call = function, args

    def __reduce__(self):
        return self.call


def touch(mark):
    """Code that proves that it ran."""
    return f"open({str(mark)!r}, 'w').close()"


def attacks(mark):
    command = f"touch {mark}"
    storage = torch.storage._load_from_bytes
    inner = pickle.dumps(Call(os.system, command))
    zipped = io.BytesIO()
    torch.save(Call(eval, touch(mark)), zipped)
    evil = OrderedDict()
    evil["a"] = Call(os.system, command)
    return {
        "os.system": Call(os.system, command),
        "eval": Call(eval, touch(mark)),
        "exec": Call(exec, touch(mark)),
        "getattr": Call(getattr, Call(__import__, "os"), "system"),
        "in an allowed table": evil,
        "in an allowed call": Call(storage, Call(eval, touch(mark))),
        "in a storage's bytes": Call(storage, inner),
        "in a storage's archive": Call(storage, zipped.getvalue()),
        "a subclass of dict": Call(type, "T", (dict,), {}),
        "numpy's loader": Call(np.load, str(mark)),
        "torch's loader": Call(torch.load, str(mark)),
    }


def raw_attacks(mark):
    """Programs of the pickle machine, which no object is pickled to."""
    code = touch(mark).encode()
    ran = b"c__builtin__\neval\n(V" + code + b"\ntR."
    return {
        "a dotted name": b"\x80\x04\x8c\x0bcollections\x8c\x13OrderedDict.__class__\x93.",
        "globals of an allowed call": b"\x80\x04\x8c\x0ctorch._utils"
        b"\x8c\x1f_rebuild_tensor_v2.__globals__\x93.",
        "the names of Python 2": ran,
        "state for a class": b"\x80\x02cdnnlib.util\nEasyDict\n}X\x01\x00\x00\x00aK\x01sb.",
        "attributes for a class": b"\x80\x02cdnnlib.util\nEasyDict\n"
        b"N}X\x01\x00\x00\x00aK\x01s\x86b.",
        "attributes for a record": b"\x80\x02ctorch_utils.persistence\n"
        b"_reconstruct_persistent_obj\nN}X\x08\x00\x00\x00__init__K\x01s\x86b.",
        "a persistent id": b"Pos.system\n.",
        "an extension": b"\x82\x01.",
        "an instance of old": b"(V" + code + b"\niposix\nsystem\n.",
    }


KINDS = [*attacks("x"), *raw_attacks("x")]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("where", ["alone", "as weights", "as an argument"])
def test_nothing_of_a_hostile_file_runs(tmp_path, kind, where):
    mark, path = tmp_path / "ran", tmp_path / "evil.pkl"
    own = attacks(mark).get(kind)
    if own is None:
        path.write_bytes(raw_attacks(mark)[kind])
    else:
        _, around = official.digits()
        if where == "as weights":
            around._modules["model"]._modules["map_layer0"]._parameters["weight"] = own
        elif where == "as an argument":
            around._init_kwargs["sigma_data"] = own
        official.write(path, {"ema": own if where == "alone" else around})
    with pytest.raises(ValueError, match=r"evil\.pkl: ") as refused:
        edm.load(str(path), cache=tmp_path / "cache")
    assert "\n" not in str(refused.value)
    assert not mark.exists()
    assert not list(tmp_path.rglob("*.safetensors"))
    assert vars(edm_pickle.Table).keys() == {"__module__", "__doc__", "__slots__", "__init__",
        "__setstate__"}  # fmt: skip


@pytest.mark.parametrize("kind", ["os.system", "eval", "in a storage's archive"])
def test_the_attacks_work_on_who_trusts_the_file(tmp_path, kind):
    """The test above can fail: the same bytes, read by Python, leave their mark."""
    mark = tmp_path / "ran"
    content = pickle.dumps(attacks(mark)[kind])
    pickle.loads(content)
    assert mark.exists()


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (Call(os.system, "true"), r"asks for posix\.system, which no network holds"),
        (Call(eval, "1"), r"asks for builtins\.eval"),
        (np.float64, r"asks for numpy\.float64"),
        (Path("x"), r"asks for pathlib\.PosixPath"),
    ],
)
def test_a_refused_name_is_told(tmp_path, content, name):
    with pytest.raises(ValueError, match=name):
        edm_pickle.read(official.write(tmp_path / "a.pkl", {"ema": content}))


def test_what_is_beside_the_weights_stays_aside(tmp_path):
    """NumPy's numbers and arrays, sets and tables: records that nothing is made of."""
    content = {"scale": np.sqrt(0.5), "table": np.arange(3.0), "names": {"a"}}
    path = tmp_path / "aside.pkl"
    for protocol in (3, 4):
        path.write_bytes(pickle.dumps(content, protocol))
        made = edm_pickle.read(path)
        assert isinstance(made["scale"], edm_pickle.Record)
        assert isinstance(made["table"], edm_pickle.Record)


@pytest.mark.parametrize(
    "change",
    [
        lambda size, stride: ([2**40], [0]),
        lambda size, stride: (size, [10**6] * len(stride)),
        lambda size, stride: ([-1], [1]),
        lambda size, stride: ("ab", "cd"),
    ],
)
def test_a_tensor_that_is_more_than_its_bytes_is_refused(change):
    weights = torch.arange(6.0).reshape(2, 3)
    _, (storage, offset, size, stride, *_) = weights.__reduce_ex__(2)
    numbers = edm_pickle.Storage(storage.__reduce__()[1][0])
    whole = edm_pickle._tensor(edm_pickle.Weights(numbers, offset, size, stride, False, {}), "w")
    assert torch.equal(whole, weights)
    record = edm_pickle.Weights(numbers, offset, *change(size, stride), False, {})
    with pytest.raises(ValueError, match="w is no whole tensor"):
        edm_pickle._tensor(record, "w")


def test_modules_that_hold_each_other_are_refused():
    own = edm_pickle.Container()
    own.state = {"_modules": {"a": own}}
    with pytest.raises(ValueError, match="deeper than any network"):
        list(edm_pickle.tensors(own))
