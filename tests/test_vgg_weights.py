import hashlib
import io
import threading
from collections.abc import Callable, Iterator
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import torch
from torch import Tensor

from swapfill import vgg_weights
from swapfill.encoder import VGG19
from swapfill.errors import BundleError

Publish = Callable[[bytes], str]
State = dict[str, Tensor]


class _Handler(BaseHTTPRequestHandler):
    """Serves one body; its `Content-Length` may promise more, as a broken connection does."""

    def __init__(self, server_state: dict[str, object], *args: object) -> None:
        self.state = server_state
        super().__init__(*args)  # type: ignore[arg-type]

    def do_GET(self) -> None:
        body = self.state["body"]
        assert isinstance(body, bytes)
        self.state["requests"] = int(str(self.state["requests"])) + 1
        if self.state["status"] == -1:
            self.wfile.write(b"hello")
            return
        self.send_response(int(str(self.state["status"])))
        self.send_header("Content-Length", str(len(body) + int(str(self.state["missing"]))))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def state() -> dict[str, object]:
    return {"body": b"", "status": 200, "missing": 0, "requests": 0}


@pytest.fixture
def publish(
    state: dict[str, object], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Publish]:
    """Serve bytes as the official file; the torch cache is a new folder."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Handler, state))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()

    def serve(body: bytes) -> str:
        digest = hashlib.sha256(body).hexdigest()
        state["body"] = body
        url = f"http://127.0.0.1:{server.server_port}/models/vgg19-{digest[:8]}.pth"
        monkeypatch.setattr(vgg_weights, "URL", url)
        return url

    yield serve
    server.shutdown()
    thread.join()
    server.server_close()


def random_vgg(layer: str = "relu2_1") -> VGG19:
    torch.manual_seed(0)
    return VGG19(layer)


def pth(content: object, *, zipped: bool = True) -> bytes:
    out = io.BytesIO()
    torch.save(content, out, _use_new_zipfile_serialization=zipped)
    return out.getvalue()


def leftovers() -> list[str]:
    folder = vgg_weights.cached_file().parent
    return sorted(p.name for p in folder.iterdir()) if folder.exists() else []


def one_line(caught: pytest.ExceptionInfo[BundleError]) -> str:
    message = str(caught.value)
    assert "\n" not in message
    return message


@pytest.mark.parametrize("zipped", [True, False])  # torchvision's file has the older form
def test_the_file_is_downloaded_once_and_only_the_layers_up_to_the_asked_one_are_kept(
    publish: Publish, state: dict[str, object], zipped: bool
) -> None:
    original = random_vgg()
    whole: State = original.state_dict() | {
        "features.10.weight": torch.ones(1),
        "classifier.0.weight": torch.ones(2, 2),
    }
    publish(pth(whole, zipped=zipped))
    for _ in range(2):
        network = vgg_weights.official_vgg19("relu2_1")
        assert network.state_dict().keys() == original.state_dict().keys()
        for name, tensor in network.state_dict().items():
            assert torch.equal(tensor, original.state_dict()[name]), name
    assert state["requests"] == 1
    assert leftovers() == [vgg_weights.cached_file().name]
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())


def test_the_url_is_torchvisions_and_the_cache_the_usual_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    assert vgg_weights.URL == "https://download.pytorch.org/models/vgg19-dcbb9e9d.pth"
    wanted = tmp_path / "hub" / "checkpoints" / "vgg19-dcbb9e9d.pth"
    assert vgg_weights.cached_file() == wanted


@pytest.mark.parametrize("cut", [0, 1])  # an honest, shorter body; a broken connection
def test_a_truncated_download_is_refused_and_leaves_nothing_behind(
    publish: Publish, state: dict[str, object], cut: int
) -> None:
    body = pth(random_vgg().state_dict())
    url = publish(body)
    state["body"], state["missing"] = body[:-100], cut * 100
    with pytest.raises(BundleError, match="damaged") as caught:
        vgg_weights.official_vgg19("relu2_1")
    assert url in one_line(caught)
    assert leftovers() == []


def test_an_http_error_names_the_file_and_where_to_put_it(
    publish: Publish, state: dict[str, object]
) -> None:
    url = publish(b"")
    state["status"] = 404
    with pytest.raises(BundleError, match="404") as caught:
        vgg_weights.official_vgg19()
    assert url in one_line(caught)
    assert str(vgg_weights.cached_file()) in one_line(caught)
    assert leftovers() == []


def test_an_answer_that_is_not_http_is_one_line(publish: Publish, state: dict[str, object]) -> None:
    publish(b"")
    state["status"] = -1
    with pytest.raises(BundleError, match="cannot be downloaded") as caught:
        vgg_weights.official_vgg19()
    one_line(caught)
    assert leftovers() == []


def test_offline_names_the_file_and_where_to_put_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    url = "http://127.0.0.1:9/vgg19-01234567.pth"  # a port that nothing listens on
    monkeypatch.setattr(vgg_weights, "URL", url)
    with pytest.raises(BundleError, match="cannot be downloaded") as caught:
        vgg_weights.official_vgg19()
    assert url in one_line(caught)
    assert str(tmp_path / "hub" / "checkpoints" / "vgg19-01234567.pth") in one_line(caught)
    assert leftovers() == []


def test_a_cache_that_cannot_be_written_is_one_line(
    publish: Publish, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish(b"")
    (tmp_path / "torch").write_text("in the way")
    with pytest.raises(BundleError, match="cannot be downloaded") as caught:
        vgg_weights.official_vgg19()
    assert str(vgg_weights.cached_file()) in one_line(caught)


def test_a_file_in_the_cache_with_another_hash_is_refused(publish: Publish) -> None:
    publish(pth(random_vgg().state_dict()))
    path = vgg_weights.cached_file()
    path.parent.mkdir(parents=True)
    path.write_bytes(b"something else")
    with pytest.raises(BundleError, match=r"SHA-256 is .* want") as caught:
        vgg_weights.official_vgg19("relu2_1")
    assert str(path) in one_line(caught)
    assert path.read_bytes() == b"something else"


class _Payload:
    """Pickled, it would run a function when read."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return exec, ("raise SystemExit",)


@pytest.mark.parametrize("content", [_Payload(), {"features.0.weight": _Payload()}])
def test_a_pickle_that_would_run_code_is_refused(publish: Publish, content: object) -> None:
    publish(pth(content))
    with pytest.raises(BundleError, match="not a file of tensors") as caught:
        vgg_weights.official_vgg19("relu2_1")
    one_line(caught)


@pytest.mark.parametrize("body", [b"", b"no tensors here", b"PK\x03\x04 no zip"])
def test_a_file_that_is_no_checkpoint_is_refused(publish: Publish, body: bytes) -> None:
    publish(body)
    with pytest.raises(BundleError, match="not a file of tensors") as caught:
        vgg_weights.official_vgg19("relu2_1")
    one_line(caught)


def test_a_list_of_tensors_is_refused(publish: Publish) -> None:
    publish(pth([torch.ones(1)]))
    with pytest.raises(BundleError, match="holds a list, want tensors by name"):
        vgg_weights.official_vgg19("relu2_1")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"features.2.bias": torch.ones(3)}, r"features\.2\.bias is \(3,\), want \(64,\)"),
        ({"features.2.bias": None}, r"features\.2\.bias is missing, want \(64,\)"),
    ],
)
def test_another_architecture_names_the_first_tensor(
    publish: Publish, change: dict[str, Tensor | None], words: str
) -> None:
    whole = random_vgg().state_dict() | change
    publish(pth({name: tensor for name, tensor in whole.items() if tensor is not None}))
    with pytest.raises(BundleError, match=words):
        vgg_weights.official_vgg19("relu2_1")


def test_an_unknown_layer_is_refused_before_anything_is_fetched(
    publish: Publish, state: dict[str, object]
) -> None:
    publish(b"")
    with pytest.raises(ValueError, match="layer is 'relu5_1', want one of relu2_1"):
        vgg_weights.official_vgg19("relu5_1")
    assert state["requests"] == 0
