"""Whoever is to be told of the end is told, by a program or a webhook, and nothing that goes wrong
there is more than a line; the address of a webhook is shown nowhere."""

import http.server
import json
import sys
import threading
import time

import pytest

from sid_sweep import notify as module
from sid_sweep.notify import Program, Webhook, document, listener, notify
from sid_sweep.tracking.provenance import published

DOCUMENT = document(
    sweep="lambda",
    event="limit",
    status=3,
    words="limits.trials = 4 is reached (4 of 4 trials)",
    trials={"finished": 3, "diverged": 1, "failed": 0, "left": 20},
    answer="Undecided: λ = 0.5.",
    spent={"trials": 4, "gpu_hours": 1 / 3},
    limits={"trials": 4, "gpu_hours": None},
    command="python -m sid_sweep.run lambda.yaml --set limits.trials=8",
)
SECRET = "T0K3N"


def test_the_document_says_what_happened_in_one_line_and_in_parts():
    assert DOCUMENT["text"] == (
        "lambda: limits.trials = 4 is reached (4 of 4 trials); 3 finished, 1 diverged, 20 left. "
        "Undecided: λ = 0.5."
    )
    assert DOCUMENT["spent"] == {"trials": 4, "gpu_hours": 0.333333}
    assert DOCUMENT["limits"] == {"trials": 4}
    assert json.loads(json.dumps(DOCUMENT)) == DOCUMENT


# ---- a program


def script(tmp_path, text):
    path = tmp_path / "tell.py"
    path.write_text(text)
    return f"{sys.executable} {path} 'a b'"


def test_a_program_reads_the_document_and_sees_no_shell(tmp_path):
    keep = "import sys; open(__file__ + '.txt', 'w').write(sys.argv[1] + sys.stdin.read())"
    own = listener(f"{script(tmp_path, keep)} '; touch pwned' $HOME")
    assert isinstance(own, Program)
    assert own.words[-2:] == ("; touch pwned", "$HOME")
    assert notify([own], DOCUMENT) == []
    written = (tmp_path / "tell.py.txt").read_text()
    assert written.startswith("a b")
    assert json.loads(written[3:]) == DOCUMENT


def test_a_program_that_fails_hangs_or_hears_nothing_is_one_line(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.5)
    fails = listener(script(tmp_path, "raise SystemExit(7)"))
    hangs = Program((sys.executable, "-c", "import time; time.sleep(60)"))
    deaf = Program((sys.executable, "-c", "pass"))
    began = time.monotonic()
    lines = notify([fails, hangs, deaf, Program(("/nowhere/at/all",))], DOCUMENT)
    assert time.monotonic() - began < 20.0  # all at once
    assert [line.partition(" could not be told how it ended: ")[2] for line in lines] == [
        "its exit status is 7",
        "it was not done after 0.5 s",
        "No such file or directory",
    ]


# ---- a webhook


class Server:
    """Answers each POST with a status, after a while, and keeps what it was sent."""

    def __init__(self, status=200, *, seconds=0.0, headers=()):
        self.got, outer = [], self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                time.sleep(seconds)
                content = self.rfile.read(int(self.headers["Content-Length"]))
                outer.got.append((self.path, self.headers["Content-Type"], json.loads(content)))
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()

            def do_GET(self):
                outer.got.append((self.path, "GET", None))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format, *args):
                pass

        self._server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/hooks/{SECRET}?key={SECRET}"

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self._server.shutdown()
        self._server.server_close()


def hook(url):
    return listener("webhook:HOOK", {"HOOK": url})


def test_a_webhook_is_posted_the_document(monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")  # not for this machine
    with Server() as server:
        assert notify([hook(server.url)], DOCUMENT) == []
    assert server.got == [(f"/hooks/{SECRET}?key={SECRET}", "application/json", DOCUMENT)]


def test_an_answer_that_points_elsewhere_is_not_followed():
    with Server() as other, Server(302, headers=[("Location", other.url)]) as server:
        (line,) = notify([hook(server.url)], DOCUMENT)
    assert line == "webhook:HOOK could not be told how it ended: it answered 302"
    assert other.got == []


def test_a_webhook_that_refuses_hangs_or_is_away_is_one_line_without_its_address(monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.3)
    with Server(403) as refusing, Server(seconds=1.5) as slow:
        hooks = [
            hook(refusing.url),
            hook(slow.url),
            hook(f"http://127.0.0.1:9/{SECRET}"),
            hook(f"https://127.0.0.1:9/{SECRET}"),
            Webhook("HOOK", f"https://no host/{SECRET}"),
        ]
        lines = notify(hooks, DOCUMENT)
    assert [line.rpartition(": ")[2] for line in lines] == [
        "it answered 403",
        "it could not be reached (TimeoutError)",
        "it could not be reached (ConnectionRefusedError)",
        "it could not be reached (ConnectionRefusedError)",
        "it could not be reached (InvalidURL)",
    ]
    assert SECRET not in "".join([*lines, *map(str, hooks), *map(repr, hooks)])


def test_what_never_comes_back_is_left_behind(monkeypatch):
    """Looking up a name has no time-out."""
    monkeypatch.setattr(module, "SECONDS", 0.1)
    monkeypatch.setattr(module, "SOME_MORE", 0.1)
    monkeypatch.setattr(Webhook, "tell", lambda self, document: threading.Event().wait(30))
    began = time.monotonic()
    assert notify([hook("https://host/x")], DOCUMENT) == [
        "webhook:HOOK could not be told how it ended: no answer in 0.1 s"
    ]
    assert time.monotonic() - began < 5.0


# ---- at the door


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("", "names nobody"),
        ("'open", "No closing quotation"),
        ("no-such-program-here --now", "there is no such program"),
        (f"https://hooks.example/{SECRET}", "put it into an environment variable"),
        (f"curl -d @- HTTPS://hooks.example/{SECRET}", "put it into an environment variable"),
        ("webhook:UNSET", "the environment variable UNSET is not set"),
        ("webhook:EMPTY", "the environment variable EMPTY is not set"),
        ("webhook:PLAIN", "use https, or http to this machine"),
        ("webhook:FILE", "holds no https address"),
        ("webhook:WORDS", "holds no https address"),
        ("webhook:BROKEN", "holds no https address"),
    ],
)
def test_who_cannot_be_told_is_refused_in_one_line_without_a_secret(text, rule):
    environment = {
        "EMPTY": " ",
        "PLAIN": f"http://hooks.example/{SECRET}",
        "FILE": f"file:///etc/{SECRET}",
        "WORDS": f"https://hooks.example/{SECRET} and more",
        "BROKEN": f"https://[::1/{SECRET}",
    }
    with pytest.raises(ValueError, match=rule) as refused:
        listener(text, environment)
    assert SECRET not in str(refused.value)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "[::1]", "localhost"])
def test_http_is_for_this_machine(host):
    assert hook(f"http://{host}:1/x").url == f"http://{host}:1/x"


def test_whom_a_command_notifies_is_in_none_of_its_records():
    command = ["run.py", "a.yaml", "--notify", "mail me", "--name", "x", "--notify=webhook:HOOK"]
    assert published(command) == ["run.py", "a.yaml", "--name", "x"]
    assert published(["run.py", "--notif", "mail me", "--no=mail me", "--name=n"]) == [
        "run.py",
        "--name=n",
    ]
