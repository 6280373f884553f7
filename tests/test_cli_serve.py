import json
import os
import re
import signal
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from swapfill import cli_serve
from swapfill.cli import main
from swapfill.server import app, ray_serve, running
from swapfill.server.settings import ServeSettings


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[ServeSettings]:
    """What the command would serve with; no port is opened, no model loaded."""
    found: list[ServeSettings] = []

    @contextmanager
    def listen(settings: ServeSettings) -> Any:
        found.append(settings)
        yield None, "http://127.0.0.1:8000/"

    monkeypatch.setattr(running, "listen", listen)
    monkeypatch.setattr(running, "run", lambda *_: None)
    monkeypatch.setattr(app, "create_app", lambda settings: None)
    monkeypatch.delenv(cli_serve.TOKEN, raising=False)
    return found


def test_by_default_only_this_machine_is_served(
    asked: list[ServeSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve"]) == 0
    assert asked == [ServeSettings()]
    assert asked[0].is_local
    assert capsys.readouterr().err == "swapfill: open http://127.0.0.1:8000/ (Ctrl-C stops)\n"


def test_every_option_is_a_setting(asked: list[ServeSettings], tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    line = "serve --host ::1 --port 1 --model a --model b=folder --engine onnx --device cpu"
    line += " --device cuda:1 --precision fp32 --workers 2 --queue 3 --upload 4 --pixels 5"
    line += " --held 6 --upload-time 7 --fill-time 8 --job-time 9 --keep-time 10 --stop-time 11"
    assert main([*line.split(), "--token", str(tmp_path / "token")]) == 0
    found = asked[0].model_dump()
    assert found.pop("token").get_secret_value() == "secret"
    assert found == {
        "models": ("a", "b=folder"),
        "engine": "onnx",
        "devices": ("cpu", "cuda:1"),
        "precision": "fp32",
        "host": "::1",
        "port": 1,
        "workers": 2,
        "queue": 3,
        "upload_bytes": 4 << 20,
        "pixels": 5,
        "held_bytes": 6 << 20,
        "upload_seconds": 7,
        "fill_seconds": 8,
        "job_seconds": 9,
        "keep_seconds": 10,
        "stop_seconds": 11,
        "styles": 8,
        "jobs": 256,
        "connections": 1024,
    }
    assert asked[0].named_models == {"a": "a", "b": "folder"}


def test_the_token_of_the_environment_is_taken_and_never_printed(
    asked: list[ServeSettings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv(cli_serve.TOKEN, "secret")
    assert main(["serve", "--host", "0.0.0.0"]) == 0
    token = asked[0].token
    assert token is not None
    assert token.get_secret_value() == "secret"
    assert "secret" not in str(asked[0]) + capsys.readouterr().err


def test_serving_others_without_a_token_is_warned_of(
    asked: list[ServeSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--host", "0.0.0.0"]) == 0
    assert "whoever reaches 0.0.0.0 may ask" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--port", "70000"], "serve: port is 70000"),
        (["--queue", "0"], "serve: queue is 0"),
        (["--upload", "2000"], "held_bytes is 1073741824, want at least upload_bytes"),
        (["--token", "nowhere"], "--token nowhere: No such file or directory, want a file"),
        (["--fill-time", "-1"], "serve: fill_seconds is -1.0"),
    ],
)
def test_what_cannot_be_served_is_one_line(
    asked: list[ServeSettings],
    arguments: list[str],
    words: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["serve", *arguments]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert words in said


def test_replicas_want_a_cluster(
    asked: list[ServeSettings], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", "--replicas", "2"]) == 2
    assert "--replicas 2: there is no cluster, want --ray ADDRESS too" in capsys.readouterr().err
    assert not asked


def test_on_a_cluster_it_serves_until_it_is_asked_to_stop(
    asked: list[ServeSettings],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    told: list[object] = []

    @contextmanager
    def deployed(settings: ServeSettings, address: str, replicas: int) -> Any:
        told.extend([settings.port, address, replicas])
        timer = threading.Timer(0.2, lambda: os.kill(os.getpid(), signal.SIGTERM))
        timer.start()
        yield "http://127.0.0.1:81/"
        timer.join()
        told.append("taken off")

    monkeypatch.setattr(ray_serve, "deployed", deployed)
    before = signal.getsignal(signal.SIGTERM)
    assert main(["serve", "--port", "81", "--ray", "auto", "--replicas", "3"]) == 0
    assert told == [81, "auto", 3, "taken off"]
    assert signal.getsignal(signal.SIGTERM) == before
    assert "open http://127.0.0.1:81/ (Ctrl-C stops)" in capsys.readouterr().err
    assert not asked


def test_an_empty_token_file_is_refused(
    asked: list[ServeSettings], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "token").write_text("\n")
    assert main(["serve", "--token", str(tmp_path / "token")]) == 2
    assert "the token is empty" in capsys.readouterr().err
    assert not asked


def test_without_its_extra_it_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(cli_serve, "find_spec", lambda name: None)
    assert main(["serve"]) == 2
    said = capsys.readouterr().err
    assert "pip install 'swapfill[serve]'" in said
    assert "python-multipart" in said


@pytest.mark.parametrize(("name", "word"), [("Dockerfile", "CMD"), ("compose.yaml", "command:")])
def test_a_containers_command_is_one_that_serves_others(
    asked: list[ServeSettings], monkeypatch: pytest.MonkeyPatch, name: str, word: str
) -> None:
    content = (Path(__file__).parents[1] / name).read_text()
    command = json.loads(re.findall(rf"^ *{word} (\[\"serve.*\])$", content, re.MULTILINE)[0])
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: "secret")
    assert main(command) == 0
    assert (asked[0].host, asked[0].port) == ("0.0.0.0", 8000)
    assert (asked[0].token is not None) == ("--token" in command)
    grace = re.search(r"stop_grace_period: (\d+)s", content)
    assert grace is None or int(grace[1]) > asked[0].stop_seconds
