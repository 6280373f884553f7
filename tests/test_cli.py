import errno
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from swapfill import bundle
from swapfill.bundle import write_sums
from swapfill.cli import main
from swapfill.cli_inpaint import inpaint
from swapfill.cli_terminal import bar
from swapfill.cli_train import Pace


class Run(SimpleNamespace):
    """An exit code, and what was said on both streams."""

    code: int
    out: str
    err: str


@pytest.fixture
def swapfill(capsys: pytest.CaptureFixture[str]) -> Any:
    """Run a command line in this process."""

    def run(*arguments: object) -> Run:
        code = main([str(argument) for argument in arguments])
        said = capsys.readouterr()
        return Run(code=code, out=said.out, err=said.err)

    return run


def pixels(path: Path) -> NDArray[Any]:
    """Read what Pillow sees, [H, W] or [H, W, C]."""
    with Image.open(path) as picture:
        return np.asarray(picture)


def refused(run: Run, *words: object) -> None:
    """Assert that input was refused with exit code 2 and one line that has all the words."""
    assert run.code == 2
    assert run.out == ""
    assert run.err.startswith("swapfill: ")
    assert run.err.endswith("\n")
    assert run.err.count("\n") == 1
    for word in words:
        assert str(word) in run.err


# How it starts


def test_help_imports_nothing_heavy() -> None:
    heavy = "{'torch', 'numpy', 'PIL', 'pydantic', 'tifffile', 'rich'}"
    code = f"import sys, swapfill.cli; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_no_command_shows_the_help(swapfill: Any) -> None:
    asked, bare = swapfill("--help"), swapfill()
    assert asked.code == bare.code == 0
    assert "inpaint" in asked.out
    assert bare.out == asked.out
    assert "verify" in swapfill("models").out


def test_the_version_is_the_packages(swapfill: Any) -> None:
    from swapfill import __version__

    assert swapfill("--version").out == f"swapfill {__version__}\n"


def test_runs_as_a_module() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "swapfill", "nope"], capture_output=True, text=True
    )
    assert done.returncode == 2
    assert done.stderr == "swapfill: No such command 'nope'.\n"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["nope"], "nope"),
        (["inpaint"], "photo"),
        (["inpaint", "a.png"], "--output"),
        (["inpaint", "a.png", "-o", "b.png", "--nope"], "--nope"),
        (["inpaint", "a.png", "-o", "b.png", "--quality", "101"], "--quality"),
        (["inpaint", "a.png", "-o", "b.png", "--grow", "much"], "--grow"),
        (["inpaint", "a.png", "m.png", "c.png", "-o", "b.png"], "c.png"),
        (["models", "show"], "name"),
        (["train", "x.toml"], "--run"),
    ],
)
def test_bad_usage_gets_one_line(swapfill: Any, arguments: list[str], word: str) -> None:
    refused(swapfill(*arguments), word)


def test_a_missing_package_is_named_with_what_to_install(
    swapfill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def lacking(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'PIL'", name="PIL.Image")

    monkeypatch.setattr("swapfill.bundle.available", lacking)
    refused(swapfill("models", "list"), "package PIL is missing", "pip install pillow")


def test_a_fault_of_ours_keeps_its_traceback(
    swapfill: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("swapfill.bundle.available", broken)
    with pytest.raises(ZeroDivisionError):
        swapfill("models", "list")


def test_a_key_press_interrupts_with_130(swapfill: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("swapfill.bundle.available", interrupted)
    assert swapfill("models", "list").code == 130


# inpaint: what it does


def test_only_the_hole_changes(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle)
    assert (done.code, done.out, done.err) == (0, f"{output}\n", "")
    before, after = pixels(photo), pixels(output)
    hole = pixels(mask) > 0
    np.testing.assert_array_equal(after[~hole], before[~hole])
    assert (after[hole] != before[hole]).any(axis=-1).mean() > 0.5


def test_the_command_line_and_python_give_the_same_pixels(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    import swapfill as library

    output = tmp_path / "out.png"
    options = ("--grow", "2", "--feather", "3", "--refine", "1", "--scales", "128,256")
    swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle, *options)
    same = library.inpaint(
        photo, mask, model=tiny_bundle, grow=2, feather=3, refine=1, scales=(128, 256)
    )
    plain = library.inpaint(photo, mask, model=tiny_bundle)
    np.testing.assert_array_equal(pixels(output), np.asarray(same))
    assert (np.asarray(plain) != np.asarray(same)).any()


def test_json_says_what_was_done(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    options = ("--model", tiny_bundle, "--device", "cpu", "--precision", "fp32", "--json")
    found = json.loads(swapfill("inpaint", photo, mask, "-o", output, *options).out)
    assert found.pop("seconds") > 0
    assert found == {
        "output": str(output),
        "size": [80, 96],
        "hole_pixels": 480,
        "windows": 1,
        "model": str(tiny_bundle),
        "engine": "onnx",
        "device": "cpu",
        "precision": "fp32",
    }


def test_quiet_says_nothing(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    Image.new("L", (96, 80)).save(mask)
    options = ("-o", tmp_path / "out.png", "--model", tiny_bundle, "--quiet")
    done = swapfill("inpaint", photo, mask, *options)
    assert (done.code, done.out, done.err) == (0, "", "")


def test_without_a_mask_what_is_transparent_is_filled(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    cut, output = tmp_path / "cut.png", tmp_path / "out.png"
    Image.fromarray(np.dstack([pixels(photo), 255 - pixels(mask)])).save(cut)
    assert swapfill("inpaint", cut, "-o", output, "--model", tiny_bundle).code == 0
    assert pixels(output).shape == (80, 96, 4)
    assert pixels(output)[..., 3].min() == 255


def test_invert_takes_the_black_for_the_hole(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    black = tmp_path / "black.png"
    Image.fromarray(255 - pixels(mask)).save(black)
    options = ("--model", tiny_bundle, "--json")
    one = swapfill("inpaint", photo, mask, "-o", tmp_path / "one.png", *options)
    two = swapfill("inpaint", photo, black, "-o", tmp_path / "two.png", "--invert", *options)
    assert json.loads(one.out)["hole_pixels"] == json.loads(two.out)["hole_pixels"] == 480
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_quality_is_that_of_the_output(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    low, high = tmp_path / "low.jpg", tmp_path / "high.jpg"
    for output, quality in ((low, 5), (high, 95)):
        options = ("-o", output, "--model", tiny_bundle, "--quality", quality)
        assert swapfill("inpaint", photo, mask, *options).code == 0
    assert low.stat().st_size < high.stat().st_size / 2


def test_an_empty_mask_gives_the_picture_back_with_a_notice(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    Image.new("L", (96, 80)).save(mask)
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle)
    assert done.code == 0
    assert done.err == "swapfill: the hole is empty: the picture is unchanged\n"
    assert output.read_bytes() == photo.read_bytes()


def test_an_older_output_is_replaced(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    output = tmp_path / "out.png"
    output.write_text("older")
    assert swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle).code == 0
    assert pixels(output).shape == (80, 96, 3)


def test_the_photo_itself_is_replaced_only_by_force(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path
) -> None:
    before = photo.read_bytes()
    for source in (photo, mask):
        command = ("inpaint", photo, mask, "-o", source, "--model", tiny_bundle)
        refused(swapfill(*command), source, "is the input", "--force")
    assert photo.read_bytes() == before
    assert (
        swapfill("inpaint", photo, mask, "-o", photo, "--model", tiny_bundle, "--force").code == 0
    )
    assert photo.read_bytes() != before


def test_every_option_of_inpaint_is_documented() -> None:
    page = (Path(__file__).parent.parent / "docs" / "usage.md").read_text()
    missing = [
        name
        for name in inpaint.__annotations__
        if name not in ("photo", "mask", "return")
        and f"--{'json' if name == 'as_json' else name.replace('_', '-')}" not in page
    ]
    assert missing == []


# inpaint: what it refuses


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "nope"], ["'nope'"]),
        (["--engine", "nope"], ["engine 'nope'", "torch"]),
        (["--device", "nope"], ["device 'nope'", "cpu"]),
        (["--device", "cuda:99"], ["device 'cuda:99'", "want"]),
        (["--precision", "nope"], ["precision 'nope'", "bf16"]),
        (["--matching", "nope"], ["matching is 'nope'", "literal"]),
        (["--scales", "large"], ["--scales is 'large'", "128,256,512"]),
        (["--scales", "256,128"], ["rising"]),
        (["--scales", "100"], ["power of two"]),
        (["--refine", "99"], ["refine is 99"]),
        (["--feather", "-1"], ["feather is -1"]),
    ],
)
def test_an_option_that_is_not_there_is_refused(
    swapfill: Any,
    photo: Path,
    mask: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    options: list[str],
    words: list[str],
) -> None:
    output = tmp_path / "out.png"
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle, *options)
    refused(done, *words)
    assert not output.exists()


def damaged_photo(photo: Path, kind: str) -> Path:
    """Make a file that cannot be read as a picture."""
    path = photo.with_name(f"{kind}.png")
    content = photo.read_bytes()
    if kind == "truncated":
        path.write_bytes(content[: len(content) // 2])
    if kind == "text":
        path.write_text("no picture")
    if kind == "folder":
        path.mkdir()
    if kind == "empty":
        path.touch()
    return path


@pytest.mark.parametrize("kind", ["missing", "truncated", "text", "folder", "empty"])
def test_a_file_that_is_no_picture_is_refused(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path, kind: str
) -> None:
    bad, output = damaged_photo(photo, kind), tmp_path / "out.png"
    refused(swapfill("inpaint", bad, mask, "-o", output, "--model", tiny_bundle), bad)
    refused(swapfill("inpaint", photo, bad, "-o", output, "--model", tiny_bundle), bad)
    assert not output.exists()


def test_a_mask_of_another_size_is_refused_with_both_sizes(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    Image.fromarray(pixels(mask)[::2, ::2]).save(mask)
    command = ("inpaint", photo, mask, "-o", tmp_path / "out.png", "--model", tiny_bundle)
    refused(swapfill(*command), mask, "48 x 40", "96 x 80", "--fit-mask")
    done = swapfill(*command, "--fit-mask", "--json")
    assert json.loads(done.out)["hole_pixels"] == 480


def test_a_mask_without_a_known_pixel_is_refused(
    swapfill: Any, photo: Path, mask: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    Image.new("L", (96, 80), 255).save(mask)
    output = tmp_path / "out.png"
    refused(swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle), "80 x 96")
    assert not output.exists()


def test_no_mask_and_no_alpha_is_refused(
    swapfill: Any, photo: Path, tiny_bundle: Path, tmp_path: Path
) -> None:
    done = swapfill("inpaint", photo, "-o", tmp_path / "out.png", "--model", tiny_bundle)
    refused(done, photo, "alpha", "mask")


def drop_a_tensor(part: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(part)
    tensors.pop(sorted(tensors)[0])
    save_file(tensors, part)


def reshape_a_tensor(part: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(part)
    first = sorted(tensors)[0]
    tensors[first] = tensors[first][:1].clone()
    save_file(tensors, part)


@pytest.mark.parametrize(
    ("damage", "said"), [(drop_a_tensor, "is missing, want"), (reshape_a_tensor, "want (")]
)
@pytest.mark.parametrize("part", ["encoder", "image2feature", "feature2image"])
def test_a_bundle_of_another_architecture_names_the_tensor(
    swapfill: Any,
    photo: Path,
    mask: Path,
    own_bundle: Path,
    tmp_path: Path,
    damage: Any,
    said: str,
    part: str,
) -> None:
    path = own_bundle / f"{part}.safetensors"
    damage(path)
    write_sums(own_bundle)  # the sums are right, the tensors are not
    output = tmp_path / "out.png"
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", own_bundle)
    refused(done, path, "tensor ", said)
    refused(swapfill("models", "verify", own_bundle), path, "tensor ", said)
    assert not output.exists()


def test_a_bundle_with_a_wrong_checksum_is_refused(
    swapfill: Any, photo: Path, mask: Path, own_bundle: Path, tmp_path: Path
) -> None:
    path = own_bundle / "image2feature.safetensors"
    path.write_bytes(path.read_bytes()[:-1] + b"!")
    done = swapfill("inpaint", photo, mask, "-o", tmp_path / "o.png", "--model", own_bundle)
    refused(done, path, "SHA-256")
    refused(swapfill("models", "verify", own_bundle), path, "SHA-256")


def test_an_output_that_cannot_be_is_refused_before_the_work(
    swapfill: Any, photo: Path, mask: Path, tmp_path: Path
) -> None:
    for output in (tmp_path / "nowhere" / "out.png", tmp_path / "out.xyz", photo / "out.png"):
        refused(swapfill("inpaint", photo, mask, "-o", output, "--model", "nope"), output)


def test_an_output_folder_that_cannot_be_written_is_refused(
    swapfill: Any,
    monkeypatch: pytest.MonkeyPatch,
    photo: Path,
    mask: Path,
    tiny_bundle: Path,
    tmp_path: Path,
) -> None:
    shut = tmp_path / "shut"
    shut.mkdir()
    open_as_ever = Path.open

    def shut_out(path: Path, *rest: Any, **more: Any) -> Any:  # root may write anywhere
        if path.parent == shut:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))
        return open_as_ever(path, *rest, **more)

    monkeypatch.setattr(Path, "open", shut_out)
    output = shut / "out.png"
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle)
    refused(done, output, "Permission denied")
    assert list(shut.iterdir()) == []


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_full_disk_leaves_the_old_output(
    swapfill: Any,
    monkeypatch: pytest.MonkeyPatch,
    photo: Path,
    mask: Path,
    tiny_bundle: Path,
    tmp_path: Path,
    number: int,
) -> None:
    folder = tmp_path / "full"
    folder.mkdir()
    output = folder / "out.png"
    output.write_text("older")

    def full(_: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr("swapfill.files.os.fsync", full)
    done = swapfill("inpaint", photo, mask, "-o", output, "--model", tiny_bundle)
    refused(done, output, os.strerror(number))
    assert output.read_text() == "older"
    assert list(folder.iterdir()) == [output]


# demo


def test_demo_says_where_the_sheet_is(swapfill: Any, tiny_bundle: Path, tmp_path: Path) -> None:
    output = tmp_path / "sheet.png"
    done = swapfill("demo", "-o", output, "--model", tiny_bundle)
    assert (done.code, done.out, done.err) == (0, f"before | mask | after: {output}\n", "")
    assert pixels(output).shape[0] == 512


# models


def test_the_list_tells_what_is_packaged_from_what_is_a_preset(
    swapfill: Any, monkeypatch: pytest.MonkeyPatch, tiny_bundle: Path
) -> None:
    monkeypatch.setattr(bundle, "packaged", lambda: tiny_bundle.parent)
    rows = {row["name"]: row for row in json.loads(swapfill("models", "list", "--json").out)}
    assert {name: row["packaged"] for name, row in rows.items()} == {
        "default": False,
        "paper": False,
        "tiny": True,
    }
    lines = swapfill("models", "list").out.splitlines()
    assert [line.split()[0] for line in lines] == ["default", "paper", "tiny"]


def test_show_counts_what_is_in_the_files(swapfill: Any, tiny_bundle: Path) -> None:
    from safetensors.torch import load_file

    found = json.loads(swapfill("models", "show", tiny_bundle, "--json").out)
    for part in ("encoder", "image2feature", "feature2image"):
        path = tiny_bundle / f"{part}.safetensors"
        count = sum(tensor.numel() for tensor in load_file(path).values())
        assert found["networks"][part] == {"parameters": count, "bytes": path.stat().st_size}
    assert found["config"]["name"] == "tiny"
    text = swapfill("models", "show", tiny_bundle).out
    assert f"{found['networks']['encoder']['parameters']:,} parameters" in text
    assert "feature2image.all.width = 8" in text


def test_show_paper_needs_no_weights(swapfill: Any) -> None:
    found = json.loads(swapfill("models", "show", "paper", "--json").out)
    networks = found["networks"]
    # VGG-19 up to relu3_1, by hand: 3x3 convolutions 3-64-64-128-128-256 with biases.
    convolutions = [(3, 64), (64, 64), (64, 128), (128, 128), (128, 256)]
    by_hand = sum(9 * c_in * c_out + c_out for c_in, c_out in convolutions)
    assert networks["encoder"] == {"parameters": by_hand, "bytes": None}
    assert set(networks) > {"image2feature", "feature2image-128", "feature2image-512"}
    assert found["folder"] is None


def test_show_of_an_unknown_model_is_refused(swapfill: Any) -> None:
    refused(swapfill("models", "show", "nope"), "'nope'")


def test_verify_names_every_file(swapfill: Any, tiny_bundle: Path) -> None:
    done = swapfill("models", "verify", tiny_bundle)
    assert done.code == 0
    for path in tiny_bundle.iterdir():
        assert path.name in done.out or path.name == "SHA256SUMS"


# train


@pytest.fixture
def handlers() -> Iterator[None]:
    """Put back the signal handlers that a training run takes."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def run_config(tmp_path: Path, handlers: None) -> Path:
    """Settings of a run of two steps, on made-up pictures and a teacher with random weights."""
    from swapfill.encoder import VGG19
    from swapfill.weights import save_from

    save_from(VGG19(), tmp_path / "vgg.safetensors")
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    rng = np.random.default_rng(0)
    for i in range(4):
        pixels = rng.integers(0, 256, (72, 72, 3), np.uint8)
        Image.fromarray(pixels).save(pictures / f"{i}.png")
    path = tmp_path / "run.toml"
    path.write_text(
        f"""
        stage = "encoder"
        vgg = "{tmp_path}/vgg.safetensors"
        [encoder]
        width = 4
        [data]
        sources = ["{pictures}"]
        cache = "{tmp_path}/cache"
        side = 32
        [optim]
        steps = 3
        batch_size = 2
        """
    )
    return path


def test_train_writes_weights_that_load(swapfill: Any, run_config: Path, tmp_path: Path) -> None:
    from swapfill.encoder import CompactEncoder
    from swapfill.weights import load_into

    run = tmp_path / "run"
    done = swapfill("train", run_config, "optim.steps=2", "--run", run)
    assert done.code == 0
    assert "step 2" in done.out
    assert "step 2 of 2" in done.err
    assert "images/s" in done.err
    load_into(CompactEncoder(4), run / "network.safetensors")
    assert json.loads((run / "settings.json").read_text())["optim"]["steps"] == 2


def test_a_dry_run_prints_settings_and_counts_and_writes_nothing(
    swapfill: Any, run_config: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    command = ("train", run_config, "optim.learning_rate=0.5", "--dry-run", "--run", run)
    found = json.loads(swapfill(*command).out)
    assert found["settings"]["optim"]["learning_rate"] == 0.5
    assert found["parameters"] == {"network": 42720}
    assert not run.exists()


def test_an_interrupted_run_says_so_and_ends_with_130(
    swapfill: Any, run_config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from swapfill.training import loop

    def interrupted(*_: object, **__: object) -> None:
        raise loop.Interrupted("stopped at step 1, saved")

    monkeypatch.setattr(loop, "run", interrupted)
    done = swapfill("train", run_config, "--run", tmp_path / "run")
    assert (done.code, done.err) == (130, "swapfill: stopped at step 1, saved\n")


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("optim.step=1", ["optim.step is not a setting", "steps"]),
        ("optim.steps=0", ["optim.steps is 0"]),
        ("optim.steps", ["want name=value"]),
        ('vgg="/nowhere"', ["/nowhere"]),
    ],
)
def test_a_bad_setting_of_a_run_is_refused(
    swapfill: Any, run_config: Path, tmp_path: Path, override: str, words: list[str]
) -> None:
    run = tmp_path / "run"
    refused(swapfill("train", run_config, override, "--run", run), *words)
    assert not run.exists()


def test_a_run_whose_folder_cannot_be_made_is_refused(
    swapfill: Any, run_config: Path, photo: Path
) -> None:
    refused(swapfill("train", run_config, "--run", photo / "run"), photo / "run")


def test_the_pace_is_that_of_steps_and_the_time_to_go_that_of_the_wall_clock() -> None:
    pace = Pace(steps=10, images=4)
    step = {"losses": {"image": 0.5}, "seconds": 2.0}
    pace.line(SimpleNamespace(step=1, **step), now=100.0)  # type: ignore[arg-type]
    line = pace.line(SimpleNamespace(step=2, **step), now=102.0)  # type: ignore[arg-type]
    assert line == "2.0 images/s  0:00:16 to go  image 0.5"
    line = pace.line(SimpleNamespace(step=4, **step), now=114.0)  # type: ignore[arg-type]
    assert line == "2.0 images/s  0:00:24 to go  image 0.5"  # 4 s a step: there was a look
    slow = {"losses": {"image": 0.9}, "seconds": 8.0}
    for number in range(5, 205):
        line = pace.line(SimpleNamespace(step=number, **slow), now=0.0)  # type: ignore[arg-type]
    assert line.startswith("0.5 images/s")
    assert line.endswith("image 0.9")


# bars


def test_a_bar_is_shown_on_a_terminal_alone(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for terminal, quiet, shown in ((True, False, True), (True, True, False), (False, False, False)):
        monkeypatch.setattr(sys.stderr, "isatty", lambda answer=terminal: answer, raising=False)
        with bar("working", quiet=quiet) as on_progress:
            on_progress(1, 2)
        said = capsys.readouterr()
        assert said.out == ""
        assert ("working" in said.err) is shown
        assert bool(said.err) is shown
