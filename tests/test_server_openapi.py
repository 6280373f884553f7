"""What the API says of itself, asked by clients that have read nothing else."""

import base64
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx2
import pytest

from serving import devices_of, mask, picture, port_of, until

# Files that are pictures, some of which fit each other.
HOOKS = """
import schemathesis
from hypothesis import strategies as st
from serving import mask, picture

files = [picture(), picture("JPEG"), mask(), mask((50, 40))]
schemathesis.openapi.format("binary", st.sampled_from(files) | st.binary(max_size=60))
"""
# No schema can say that bytes are a picture, and that a mask fits it: 422 answers that.
CONFIG = """
[checks.positive_data_acceptance]
expected-statuses = ["2xx", "404", "409", "422", "429"]
"""


@pytest.fixture(scope="module")
def address(tiny_bundle: Path) -> Iterator[str]:
    with port_of(devices_of(tiny_bundle)) as address:
        yield address


@pytest.mark.slow
def test_schemathesis_finds_nothing(address: str, tmp_path: Path) -> None:
    pytest.importorskip("schemathesis")
    (tmp_path / "hooks.py").write_text(HOOKS)
    (tmp_path / "schemathesis.toml").write_text(CONFIG)
    program = Path(sys.executable).with_name("schemathesis")
    found = os.pathsep.join([str(tmp_path), str(Path(__file__).parent)])
    done = subprocess.run(
        [program, "run", f"{address}/openapi.json", "--max-examples=3", "--seed=1"],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": found, "SCHEMATHESIS_HOOKS": "hooks"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr


class Generated:
    """A client that knows of the API what its description says, and nothing else."""

    def __init__(self, address: str) -> None:
        self._http = httpx2.Client(base_url=address, timeout=60)
        self.description = self._http.get("/openapi.json").json()
        self.called: set[str] = set()
        self._operations = {
            operation["operationId"]: (method.upper(), path, operation)
            for path, methods in self.description["paths"].items()
            for method, operation in methods.items()
        }

    def close(self) -> None:
        self._http.close()

    @property
    def operations(self) -> set[str]:
        return set(self._operations)

    def call(self, name: str, body: dict[str, Any] | None = None, **path: str) -> Any:
        """Call an operation; a body goes as a form where it has bytes, as JSON where it has none.

        The answer has to have a status and a type that are described.
        """
        self.called.add(name)
        method, template, operation = self._operations[name]
        sent = {} if body is None else self._encoded(operation, body)
        answer = self._http.request(method, template.format(**path), **sent)
        described = operation["responses"][str(answer.status_code)]["content"]
        assert answer.headers["content-type"].partition(";")[0] in described
        return answer

    def _encoded(self, operation: Any, body: dict[str, Any]) -> dict[str, Any]:
        content = operation["requestBody"]["content"]
        several = {name: v if isinstance(v, list) else [v] for name, v in body.items()}
        if not any(isinstance(one, bytes) for values in several.values() for one in values):
            assert "application/json" in content
            return {"json": body}
        fields = content["multipart/form-data"]["schema"]["properties"]
        assert set(body) <= set(fields)
        files = [(n, one) for n, vs in several.items() for one in vs if isinstance(one, bytes)]
        assert all("binary" in str(fields[name]) for name, _ in files)
        return {"files": files, "data": {n: v for n, v in body.items() if n not in dict(files)}}


def test_a_generated_client_calls_every_route(address: str) -> None:
    with closing(Generated(address)) as client:
        ask_everything(client)


def ask_everything(client: Generated) -> None:
    model = client.call("models").json()["models"][0]["name"]
    form = {"picture": picture(), "mask": mask(), "model": model}
    as_json = {n: base64.b64encode(v).decode() for n, v in form.items() if isinstance(v, bytes)}
    filled = client.call("inpaint", form | {"grow": 2, "invert": "false"})
    assert filled.status_code == 200
    assert client.call("inpaint", as_json | {"grow": 2}).content == filled.content

    shown = client.call("preview", {"picture": picture("TIFF")})
    assert (shown.status_code, shown.headers["content-type"]) == (200, "image/jpeg")

    styled = client.call("style", form | {"style": [picture(seed=2), picture(seed=3)]})
    assert styled.status_code == 200

    job = client.call("take_job", as_json | {"kind": "inpaint", "grow": 2}).json()
    until(lambda: client.call("job", job_id=job["id"]).json()["state"] == "done")
    assert client.call("job_result", job_id=job["id"]).content == filled.content
    assert client.call("cancel_job", job_id=job["id"]).status_code == 200
    assert client.call("job_result", job_id=job["id"]).status_code == 404

    for name in ("health", "readiness", "metrics"):
        assert client.call(name).status_code == 200
    assert client.called == client.operations


def test_a_token_is_described_where_it_is_wanted(tiny_bundle: Path) -> None:
    with port_of(devices_of(tiny_bundle), token="secret") as address:
        paths = httpx2.get(f"{address}/openapi.json").json()["paths"]
        for path, methods in paths.items():
            for method, operation in methods.items():
                status = httpx2.request(method, address + path.format(job_id="x")).status_code
                assert (status == 401) == ("401" in operation["responses"])
                assert (status == 401) == (operation.get("security") == [{"token": []}])


def test_all_methods_of_a_path_are_named_where_another_is_refused(address: str) -> None:
    answer = httpx2.put(f"{address}/v1/jobs/x")
    assert (answer.status_code, answer.headers["allow"]) == (405, "DELETE, GET")
