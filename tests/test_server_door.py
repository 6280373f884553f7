import hmac
import socket
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from starlette.testclient import TestClient

from serving import Gate, client_of, devices_of, mask, picture, port_of, until
from swapfill.server.batching import Devices


@pytest.fixture(scope="module")
def devices(tiny_bundle: Path) -> Devices:
    return devices_of(tiny_bundle)


@pytest.fixture
def client(tiny_bundle: Path) -> Iterator[TestClient]:
    with client_of(devices_of(tiny_bundle), upload_bytes=10_000, token="secret") as client:
        yield client


SECRET = {"Authorization": "Bearer secret"}
FILES = {"picture": picture(), "mask": mask()}


@pytest.mark.parametrize(
    "given",
    [{}, {"Authorization": "Bearer secre"}, {"Authorization": "Basic secret"}, {"token": "secret"}],
)
@pytest.mark.parametrize("path", ["/v1/models", "/v1/jobs/x", "/metrics", "/v1/nothing"])
def test_without_the_token_nothing_is_told(
    client: TestClient, given: dict[str, str], path: str
) -> None:
    answer = client.get(path, headers=given)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"
    assert answer.json()["type"] == "urn:swapfill:unauthorized"
    assert "secret" not in answer.text


def test_a_token_is_compared_in_constant_time(
    client: TestClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    compared: list[tuple[bytes, ...]] = []

    def differ(*both: bytes) -> bool:
        compared.append(both)
        return False

    monkeypatch.setattr(hmac, "compare_digest", differ)
    assert client.get("/v1/models", headers=SECRET).status_code == 401
    assert compared == [(b"secret", b"secret")]


def test_with_the_token_all_is_told_and_without_it_the_page_and_health(client: TestClient) -> None:
    assert client.get("/v1/models", headers=SECRET).status_code == 200
    assert client.get("/v1/models", headers={"Authorization": "bearer secret"}).status_code == 200
    for path in ("/healthz", "/readyz", "/openapi.json"):
        assert client.get(path).status_code == 200
    assert client.get("/assets/nothing.js").status_code == 404


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", ""])
def test_a_name_that_another_site_made_point_here_is_refused(client: TestClient, host: str) -> None:
    answer = client.get("/healthz", headers={"Host": host})
    assert answer.json()["type"] == "urn:swapfill:misdirected"
    assert answer.status_code == 421


@pytest.mark.parametrize("host", ["localhost", "localhost:8000", "127.0.0.1:1", "[::1]", "[::1]:2"])
def test_each_name_of_this_machine_is_let_in(client: TestClient, host: str) -> None:
    assert client.get("/healthz", headers={"Host": host}).status_code == 200


def test_a_server_for_others_has_any_name(tiny_bundle: Path) -> None:
    with client_of(devices_of(tiny_bundle), host="0.0.0.0") as client:
        assert client.get("/healthz", headers={"Host": "pictures.example"}).status_code == 200


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_another_sites_form_does_nothing_here(client: TestClient, site: str) -> None:
    sent = SECRET | {"Sec-Fetch-Site": site}
    answer = client.post("/v1/jobs", headers=sent, files=FILES)
    assert (answer.status_code, answer.json()["type"]) == (403, "urn:swapfill:foreign-site")
    assert client.get("/", headers=sent).status_code in (200, 404)


def test_no_other_origin_is_allowed_and_the_page_asks_nobody_else(client: TestClient) -> None:
    asked = SECRET | {"Origin": "https://evil.example", "Access-Control-Request-Method": "POST"}
    for answer in (
        client.get("/v1/models", headers=asked),
        client.options("/v1/jobs", headers=asked),
    ):
        assert not [name for name in answer.headers if name.startswith("access-control")]
        assert answer.headers["content-security-policy"].startswith("default-src 'self'; ")
        assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("given", ["abc-1.2:3_4", "x" * 64])
def test_an_id_that_is_given_is_answered(client: TestClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["x-request-id"] == given


@pytest.mark.parametrize("given", ["", "x" * 65, "two words", "{}", "é"])
def test_an_id_that_could_break_a_log_is_replaced(client: TestClient, given: str) -> None:
    answer = client.get("/healthz", headers={b"X-Request-ID": given.encode()})
    assert len(answer.headers["x-request-id"]) == 16


# Too much, too slowly


def chunks(size: int) -> Iterator[bytes]:
    for _ in range(size // 1000):
        yield b"x" * 1000


@pytest.mark.parametrize("as_one", [True, False])
def test_a_body_that_is_too_large_is_refused_by_its_length_or_as_it_arrives(
    client: TestClient, as_one: bool
) -> None:
    content = b"".join(chunks(11_000)) if as_one else chunks(11_000)
    sent = SECRET | {"Content-Type": "application/json"}
    answer = client.post("/v1/inpaint", content=content, headers=sent)
    assert (answer.status_code, answer.json()["type"]) == (413, "urn:swapfill:too-large")
    assert "want at most 10,000" in answer.json()["detail"]


def speak(address: str, text: str, *more: bytes) -> socket.socket:
    host, _, port = address.removeprefix("http://").partition(":")
    line = socket.create_connection((host, int(port)), timeout=20)
    head = text.replace("\n", "\r\n") + f"\r\nHost: {host}\r\n\r\n"
    line.sendall(head.encode())
    for part in more:
        line.sendall(part)
    return line


def heard(line: socket.socket) -> str:
    """Read all until the server closes."""
    found = b""
    while part := line.recv(65_536):
        found += part
    return found.decode()


def test_a_slow_upload_is_ended_and_the_server_goes_on(devices: Devices) -> None:
    with port_of(devices_copy(devices), upload_seconds=0.3) as address:
        start = time.monotonic()
        head = "POST /v1/inpaint HTTP/1.1\nContent-Type: application/json\nContent-Length: 500"
        with speak(address, head, b'{"picture": "') as line:
            found = heard(line)
        assert found.startswith("HTTP/1.1 408 ")
        assert '"type":"urn:swapfill:slow-upload"' in found
        assert 0.3 <= time.monotonic() - start < 10
        with speak(address, "GET /healthz HTTP/1.1\nConnection: close") as line:
            assert heard(line).startswith("HTTP/1.1 200 ")


def devices_copy(devices: Devices) -> Devices:
    """The same models with threads of their own: an app ends those it is given."""
    from swapfill.server.batching import Device

    painters = {name: devices.painter(name) for name in devices.bundles}
    return Devices([Device(painters)], devices.bundles)


def test_who_leaves_is_not_worked_for(tiny_bundle: Path) -> None:
    gate = Gate()
    with port_of(devices_of(tiny_bundle, gate), workers=1) as address:
        body = b'--b\r\nContent-Disposition: form-data; name="%s"; filename="f"\r\n\r\n%s\r\n'
        form = b"".join(body % (name.encode(), file) for name, file in FILES.items()) + b"--b--\r\n"
        head = f"POST /v1/inpaint HTTP/1.1\nContent-Length: {len(form)}\n"
        head += "Content-Type: multipart/form-data; boundary=b"
        lines = [speak(address, head, form) for _ in range(2)]
        assert gate.entered.wait(timeout=20)
        until(lambda: "swapfill_waiting 1.0" in metrics(address))
        for line in lines:
            line.close()
        until(lambda: "swapfill_waiting 0.0" in metrics(address))  # the one that waited, at once
        gate.opened.set()
        until(lambda: "swapfill_working 0.0" in metrics(address))
        told = metrics(address)
    assert 'swapfill_work_total{end="cancelled",kind="inpaint"} 1.0' in told
    assert 'method="POST",route="/v1/inpaint",status="499"} 2.0' in told


def metrics(address: str) -> str:
    with speak(address, "GET /metrics HTTP/1.1\nConnection: close") as line:
        return heard(line)


# What is told, and what is touched


def test_a_request_is_counted_by_its_route(devices: Devices) -> None:
    with client_of(devices_copy(devices)) as client:
        client.get("/v1/jobs/one")
        client.get("/v1/jobs/two")
        client.request("BREW", "/coffee")
        client.post("/v1/inpaint", files=FILES)
        told = client.get("/metrics").text
    assert 'method="GET",route="/v1/jobs/{job_id}",status="404"} 2.0' in told
    assert 'method="other",route="other",status="404"} 1.0' in told
    assert 'swapfill_work_total{end="done",kind="inpaint"} 1.0' in told
    assert "swapfill_windows_total 1.0" in told
    assert "swapfill_held_bytes 0.0" in told


def test_the_log_has_ids_and_figures_but_no_picture_and_no_name(
    devices: Devices, caplog: pytest.LogCaptureFixture
) -> None:
    files = {"picture": ("my-holiday.png", picture()), "mask": ("where.png", mask())}
    with client_of(devices_copy(devices)) as client, caplog.at_level("INFO", "swapfill.server"):
        client.post("/v1/inpaint", files=files, headers={"X-Request-ID": "mine"})
    told = {record.message: getattr(record, "of", {}) for record in caplog.records}
    assert set(told) == {"work", "request"}
    assert set(told["work"]) == {"kind", "state", "windows", "seconds"}
    request = told["request"]
    assert (request["status"], request["route"]) == (200, "/v1/inpaint")
    assert request["bytes_in"] > len(picture()) + len(mask())
    assert "holiday" not in caplog.text + str(told)


_opened: list[str] | None = None


def _note(event: str, arguments: Any) -> None:
    if event == "open" and _opened is not None:
        _opened.append(str(arguments[0]))


def test_no_file_is_opened_for_a_request_whatever_it_names(
    devices: Devices, tmp_path: Path
) -> None:
    """An audit hook sees every `open` of the process; it can never be taken away again."""
    global _opened
    (tmp_path / "there.png").write_bytes(picture())
    name = str(tmp_path / "there.png")
    files = {"picture": (name, picture("PNG", (700, 700))), "mask": (name, mask((700, 700)))}
    with client_of(devices_copy(devices)) as client:
        client.post("/v1/inpaint", files=files)  # what is imported when it is first needed
        sys.addaudithook(_note)
        _opened = []
        try:
            found = client.post("/v1/inpaint", files=files)
            refused = client.post("/v1/inpaint", files=files, data={"model": name})
            missing = client.get(f"/v1/jobs/{name}")
        finally:
            opened, _opened = _opened, None
    assert (found.status_code, refused.status_code, missing.status_code) == (200, 422, 404)
    assert opened == []


def test_a_fault_of_ours_is_told_by_its_id_alone(
    tiny_bundle: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def broken(*_: Any) -> Any:
        raise ZeroDivisionError("of our own")

    with client_of(devices_of(tiny_bundle, broken)) as client:
        answer = client.post("/v1/inpaint", files=FILES)
        assert client.get("/healthz").status_code == 200
    assert answer.status_code == 500
    assert answer.json()["type"] == "urn:swapfill:fault"
    assert "of our own" not in answer.text
    assert "ZeroDivisionError: of our own" in caplog.text


def test_threads_of_the_server_end_with_it(tiny_bundle: Path) -> None:
    before = threading.active_count()
    with client_of(devices_of(tiny_bundle)) as client:
        client.post("/v1/inpaint", files=FILES)
        assert threading.active_count() > before
    until(lambda: threading.active_count() <= before)
