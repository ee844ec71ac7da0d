"""The command: `sid-sweep run|sample|compare|report|verify`, or `python -m sid_sweep`; it hands its
words on, and loads nothing but what they name."""

import argparse
import sys
from collections.abc import Callable
from importlib import import_module
from pathlib import Path

EXIT_INPUT = 2
COMMANDS = {
    "run": "ask the question in a search space, or go on with it",
    "sample": "draw from a finished student",
    "compare": "tables and plots of a sweep",
    "report": "one HTML file of one or several sweeps",
    "verify": "run a trial again, and compare its metrics bit for bit",
}
USAGE = """\
usage: sid-sweep COMMAND ...

Hyperparameter sweeps of Score identity Distillation: a question in YAML, a publishable table back.

{commands}

  sid-sweep run search_spaces/lambda.yaml --dry-run    what would be run
  sid-sweep run --knobs                                what can be set in a search space
  sid-sweep run --metrics                              what students can be judged by
  sid-sweep COMMAND --help                             more of a command

Completion in bash (zsh, tcsh): eval "$(sid-sweep completion bash)", with `pip install shtab`.
`python -m sid_sweep` is the same; `python -m sid_sweep.run` is `sid-sweep run`, and so on.
"""


def main(arguments: list[str] | None = None) -> int:
    """Run the command; returns its exit status."""
    words = sys.argv[1:] if arguments is None else arguments
    if not words or words[0] in ("-h", "--help", "help"):
        listed = "\n".join(f"  {name:<9} {meaning}" for name, meaning in COMMANDS.items())
        print(USAGE.format(commands=listed), end="")
        return 0
    name, *rest = words
    if name == "completion":
        return _completion(rest)
    if name not in COMMANDS:
        print(f"error: {name} is none of {', '.join(COMMANDS)}", file=sys.stderr)
        return EXIT_INPUT
    return _command(name)(rest)


def _command(name: str) -> Callable[[list[str]], int]:
    match name:
        case "run":
            from sid_sweep.run import main
        case "sample":
            from sid_sweep.sample import main
        case "compare":
            from analysis.compare import main
        case "report":
            from analysis.report import main
        case _:
            from analysis.verify import main
    return main


def _completion(words: list[str]) -> int:
    """Print what makes a shell complete commands, options, choices and files; made of the parsers
    themselves, so that it knows what they know."""
    parser = argparse.ArgumentParser(prog="sid-sweep completion")
    parser.add_argument("shell", choices=["bash", "zsh", "tcsh"])
    shell = parser.parse_args(words).shell
    try:
        shtab = import_module("shtab")
    except ModuleNotFoundError:
        print("error: completion needs shtab; pip install shtab", file=sys.stderr)
        return EXIT_INPUT
    print(shtab.complete(_parser(shtab.FILE), shell))
    return 0


def _parser(files: dict[str, str]) -> argparse.ArgumentParser:
    """Of all commands as one.

    Args:
        files: how a shell completes the name of a file.
    """
    from analysis import compare, report, verify
    from sid_sweep import run, sample

    whole = argparse.ArgumentParser(prog="sid-sweep")
    commands = whole.add_subparsers()
    for name, module in zip(COMMANDS, (run, sample, compare, report, verify), strict=True):
        own = module.parser()
        for action in own._actions:
            if action.type is Path or not action.option_strings:
                action.complete = files  # pyright: ignore[reportAttributeAccessIssue]
        commands.add_parser(name, parents=[own], add_help=False, help=COMMANDS[name])
    return whole


if __name__ == "__main__":
    sys.exit(main())
