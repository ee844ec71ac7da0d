"""Strict YAML: what PyYAML would read silently and wrongly is refused, with the place and the
remedy."""

import pytest

from sid_sweep.spec import SpecError
from sid_sweep.spec.reader import read, read_value


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("a: 1e-5", "write 1.0e-5"),
        ("a: 012", "leading zero"),
        ("a: 1\nb: 2\na: 3", "key 'a' stands twice (first in line 1)"),
        ("a: &x 1\nb: *x", "anchors and aliases"),
        ("a: !!python/object/apply:os.system [ls]", "tags"),
        ("a: [1, 2", "not YAML"),
        ("- 1", "a mapping"),
        ("a: " + "[" * 40 + "]" * 40, "nested deeper"),
        ("? [1]\n: 2", "a key must be a word"),
    ],
)
def test_what_is_ambiguous_or_dangerous_is_refused(tmp_path, text, rule):
    path = tmp_path / "space.yaml"
    path.write_text(text)
    with pytest.raises(SpecError) as caught:
        read(path)
    message = str(caught.value)
    assert message.startswith(str(path))
    assert rule in message
    assert "\n" not in message


def test_files_that_are_none(tmp_path):
    with pytest.raises(SpecError, match="cannot be read"):
        read(tmp_path / "nowhere.yaml")
    (tmp_path / "large.yaml").write_text("a: " + "x" * 300_000)
    with pytest.raises(SpecError, match="at most"):
        read(tmp_path / "large.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"a: \xe9")
    with pytest.raises(SpecError, match="UTF-8"):
        read(tmp_path / "latin.yaml")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("400_000", 400_000),
        ("1.0e-5", 1e-5),
        ("-0.5", -0.5),
        ("off", "off"),
        ("1:30", "1:30"),
        ("true", True),
        ("null", None),
        ("'012'", "012"),
        ("{a: [1, 2.5]}", {"a": [1, 2.5]}),
    ],
)
def test_scalars_follow_yaml_1_2(text, value):
    read_as = read_value(text, source="here")
    assert read_as == value
    assert type(read_as) is type(value)
