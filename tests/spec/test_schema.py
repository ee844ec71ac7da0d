"""The schema of a search space: shipped as generated, true of all that is taken, and of use."""

import re
from itertools import islice
from pathlib import Path

import pytest
import yaml
from jsonschema import Draft7Validator
from mutants import mutants

from sid_sweep.spec import SpecError, load
from sid_sweep.spec.schema import schema, schema_text

FOLDER = Path(__file__).parents[2] / "search_spaces"
SPACES = sorted(FOLDER.glob("*.yaml"))
SHIPPED = FOLDER / "schema.json"
HEAD = "# yaml-language-server: $schema=schema.json\n"
SPACE = """\
sweep: small
question: Does it fit?
objective: {metric: js}
seeds: 3
scientific:
  loss.lambda: {choice: [0.5, 1.0]}
fixed:
  data: {kind: mixture}
"""


@pytest.fixture(scope="module")
def validator():
    Draft7Validator.check_schema(schema())
    return Draft7Validator(schema())


def test_the_shipped_one_is_the_generated_one():
    assert SHIPPED.read_text() == schema_text(), (
        "run: python -m sid_sweep.run --schema > search_spaces/schema.json"
    )


@pytest.mark.parametrize("path", SPACES, ids=lambda path: path.stem)
def test_every_search_space_names_it_and_fits_it(path, validator):
    text = path.read_text()
    assert text.startswith(HEAD)
    # as an editor of YAML 1.2 has it
    as_text = re.sub(r"\b[0-9]+(_[0-9]+)+(\.[0-9]*)?(?!\w)", r"'\g<0>'", text)
    for version in (text, as_text):
        errors = [error.message for error in validator.iter_errors(yaml.safe_load(version))]
        assert errors == []


@pytest.mark.parametrize(
    "change",
    [
        ("seeds: 3", "seeds: [0, 5]"),
        ("seeds: 3", "seeds: {screen: 2, confirm: 20, until: decided}"),
        ("seeds: 3", "seeds: {screen: [4, 5, 6], race: true}"),
        ("seeds: 3", "seeds: 3\nsearch: {sampler: tpe, arms: 5}"),
        (
            "seeds: 3",
            "seeds: 3\nsearch: {sampler: gp, arms: 5, from: old, try: [{loss.lambda: 1}]}",
        ),
        ("seeds: 3", "seeds: 3\nconstraints: ['js <= 1.1 * baseline']"),
        ("mixture}", "mixture}\n  preset: fgm"),
        ("mixture}", "mixture}\n  generator: {optim: {lr: 0.1}, init: {net: {depth: 2}}}"),
        ("mixture}", "mixture}\n  method: {kind: kd}\n  fake_score: null"),
        ("loss.lambda: {choice: [0.5, 1.0]}", "way: {cases: {a: {}, b: {loss.lambda: 2.0}}}"),
    ],
)
def test_what_is_taken_fits(change, validator, tmp_path):
    text = SPACE.replace(*change)
    assert text != SPACE
    assert [error.message for error in validator.iter_errors(yaml.safe_load(text))] == []


@pytest.mark.parametrize(
    "change",
    [
        ("seeds: 3", "seeds: 0"),
        ("seeds: 3", "seeds: {confirm: 3}"),
        ("seeds: 3", "sedes: 3"),
        ("metric: js", "metric: jss"),
        ("{choice: [0.5, 1.0]}", "{choices: [0.5, 1.0]}"),
        ("{choice: [0.5, 1.0]}", "0.5"),
        ("loss.lambda: {choice", "loss.lamda: {choice"),
        ("{kind: mixture}", "{kind: mixtures}"),
        ("{kind: mixture}", "{kind: mixture, radios: 2}"),
        ("mixture}", "mixture}\n  generator: {optim: {lr: -1.0}}"),
        ("mixture}", "mixture}\n  generator: {optim: {lr: '0.1'}}"),
        ("mixture}", "mixture}\n  seed: 3"),
        ("mixture}", "mixture}\n  preset: fmg"),
    ],
)
def test_an_editor_marks_what_is_misspelt(change, validator):
    assert list(validator.iter_errors(yaml.safe_load(SPACE)))[:1] == []
    assert list(validator.iter_errors(yaml.safe_load(SPACE.replace(*change))))


def test_every_knob_is_explained_where_it_is_swept():
    swept = schema()["$defs"]["Swept"]["properties"]
    assert swept["loss.lambda"]["description"].startswith("λ; the official code calls it alpha")
    assert [path for path, own in swept.items() if not own["description"]] == []


def test_it_refuses_nothing_that_is_taken(validator, tmp_path):
    """Of mutants, which are got wrong in all ways."""
    path, num_taken = tmp_path / "space.yaml", 0
    for name, text in islice(mutants(3), 30):
        path.write_text(text)
        try:
            load(path)
        except SpecError:
            continue
        num_taken += 1
        errors = [error.message for error in validator.iter_errors(yaml.safe_load(text))]
        assert errors == [], f"mutant {name}:\n{text}"
    assert num_taken
