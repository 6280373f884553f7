import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from swapfill import bundle
from swapfill.bundle import Bundle, BundleConfig, write_sums
from swapfill.errors import BundleError, ConfigError


@pytest.fixture
def made_up(tmp_path: Path) -> Path:
    """A bundle of two scales whose weight files are empty safetensors."""
    folder = tmp_path / "made-up"
    folder.mkdir()
    config = BundleConfig.read({"name": "made-up", "feature2image": {"128": {}, "256": {}}}, "here")
    (folder / "config.json").write_text(config.model_dump_json())
    for part in ("encoder", "image2feature", "feature2image-128", "feature2image-256"):
        header = json.dumps({"__metadata__": {"part": part}}).encode()
        data = len(header).to_bytes(8, "little") + header
        (folder / f"{part}.safetensors").write_bytes(data)
    write_sums(folder)
    return folder


def test_names_one_translator_a_scale_or_one_for_all(made_up: Path, tiny_bundle: Path) -> None:
    of_two = ["encoder", "image2feature", "feature2image-128", "feature2image-256"]
    assert Bundle.open(made_up).parts() == of_two
    assert Bundle.open(tiny_bundle).parts() == ["encoder", "image2feature", "feature2image"]


def test_sums_are_those_of_sha256sum(made_up: Path) -> None:
    lines = (made_up / "SHA256SUMS").read_text().splitlines()
    found = {line.split("  ")[1]: line.split("  ")[0] for line in lines}
    assert sorted(found) == sorted(p.name for p in made_up.iterdir() if p.name != "SHA256SUMS")
    for name, digest in found.items():
        assert digest == hashlib.sha256((made_up / name).read_bytes()).hexdigest()


def test_sums_do_not_count_their_own_file(made_up: Path) -> None:
    before = (made_up / "SHA256SUMS").read_text()
    write_sums(made_up)
    assert (made_up / "SHA256SUMS").read_text() == before


def test_a_whole_bundle_verifies_every_file(made_up: Path) -> None:
    names = Bundle.open(made_up).verify()
    assert names == sorted(p.name for p in made_up.iterdir() if p.name != "SHA256SUMS")


def test_a_changed_byte_is_found(made_up: Path) -> None:
    path = made_up / "encoder.safetensors"
    path.write_bytes(path.read_bytes() + b" ")
    whole = Bundle.open(made_up)
    with pytest.raises(BundleError, match=r"encoder\.safetensors: SHA-256 is .*, want "):
        whole.verify()
    with pytest.raises(BundleError, match=r"encoder\.safetensors: SHA-256 is .*, want "):
        whole.weights("encoder")
    assert whole.weights("image2feature") == made_up / "image2feature.safetensors"


def test_a_changed_config_is_found(made_up: Path) -> None:
    path = made_up / "config.json"
    path.write_text(path.read_text() + "\n")
    with pytest.raises(BundleError, match=r"config\.json: SHA-256 is"):
        Bundle.open(made_up).verify()


def test_a_missing_part_is_named(made_up: Path) -> None:
    (made_up / "feature2image-256.safetensors").unlink()
    with pytest.raises(BundleError, match=r"feature2image-256\.safetensors: missing"):
        Bundle.open(made_up).verify()


def test_a_part_without_a_sum_is_refused(made_up: Path) -> None:
    path = made_up / "SHA256SUMS"
    kept = [line for line in path.read_text().splitlines() if "encoder" not in line]
    path.write_text("\n".join(kept) + "\n")
    with pytest.raises(BundleError, match=r"encoder\.safetensors: no checksum in SHA256SUMS"):
        Bundle.open(made_up).verify()


def test_missing_sums_are_named(made_up: Path) -> None:
    (made_up / "SHA256SUMS").unlink()
    with pytest.raises(BundleError, match=r"SHA256SUMS: No such file"):
        Bundle.open(made_up).weights("encoder")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "not JSON"),
        ("[]", "holds list, want an object"),
    ],
)
def test_a_damaged_config_is_refused(made_up: Path, text: str, said: str) -> None:
    (made_up / "config.json").write_text(text)
    with pytest.raises(BundleError, match=rf"config\.json: .*{said}"):
        Bundle.open(made_up)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"format": 2}, "format is 2"),
        ({"feature2image": {}}, "feature2image is empty"),
        ({"feature2image": {"large": {}}}, "feature2image.large: want a side in pixels"),
        ({"encoder": {"kind": "resnet"}}, "encoder.kind is 'resnet'"),
        ({"colour": 1}, "colour is not a setting"),
    ],
)
def test_a_config_of_another_kind_names_the_setting(
    made_up: Path, change: dict[str, Any], said: str
) -> None:
    path = made_up / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(ConfigError) as caught:
        Bundle.open(made_up)
    assert said in str(caught.value)
    assert str(caught.value).startswith(str(path))


def test_an_unknown_model_lists_the_packaged_ones(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, made_up: Path
) -> None:
    monkeypatch.setattr(bundle, "packaged", lambda: made_up.parent)
    assert bundle.available() == ["made-up"]
    assert bundle.find("made-up") == made_up
    with pytest.raises(BundleError, match="'nope' is not there, want one of made-up, or a folder"):
        bundle.find("nope")


def test_a_folder_without_a_config_is_no_bundle(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"config\.json: No such file"):
        Bundle.open(tmp_path)


def test_every_packaged_bundle_is_whole() -> None:
    for name in bundle.available():
        Bundle.open(name).verify()
