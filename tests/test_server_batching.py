from pathlib import Path

import pytest

from swapfill.errors import DeviceError
from swapfill.server.batching import Devices
from swapfill.server.settings import ServeSettings
from swapfill.style_settings import StyleSettings


def loaded(folder: Path, **settings: str) -> Devices:
    given = {"models": [f"tiny={folder}"], "devices": ["cpu"]}
    return Devices.load(ServeSettings.read(given | settings, "test"))


def test_an_engine_left_open_fills_by_one_and_has_torch_for_style(tiny_bundle: Path) -> None:
    devices = loaded(tiny_bundle)
    assert devices.painter("tiny").engine.name == "onnx"
    assert devices.has_style
    with devices.one() as device:
        first, again = (device.stylist("tiny", StyleSettings()) for _ in range(2))
    assert first.engine.name == "torch"
    assert again.engine is first.engine  # loaded once
    devices.close()


@pytest.mark.parametrize("asked", [{"engine": "onnx"}, {"precision": "int8"}])
def test_an_engine_asked_for_is_the_only_one(tiny_bundle: Path, asked: dict[str, str]) -> None:
    devices = loaded(tiny_bundle, **asked)
    assert not devices.has_style
    with devices.one() as device, pytest.raises(DeviceError, match="'onnx' cannot transfer style"):
        device.stylist("tiny", StyleSettings())
    devices.close()


def test_torch_styles_with_what_fills(tiny_bundle: Path) -> None:
    devices = loaded(tiny_bundle, engine="torch")
    assert devices.has_style
    with devices.one() as device:
        stylist = device.stylist("tiny", StyleSettings())
    assert stylist.engine is devices.painter("tiny").engine
    devices.close()
