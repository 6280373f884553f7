import functools
import itertools
import json
import math
import os
import signal
import time
from collections.abc import Callable, Generator, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from swapfill.errors import BundleError, DataError
from swapfill.training.data import Batch
from swapfill.training.loop import Interrupted, Stage, resume, run, save
from swapfill.training.progress import Progress
from swapfill.training.settings import OptimSettings
from swapfill.training.team import ALONE, Team
from swapfill.weights import load_into


class _Layers(nn.Sequential):
    def forward(self, x: Tensor) -> Tensor:
        for layer in self:  # torch.compile leaves the frames of torch's own `forward` alone
            x = layer(x)
        return x


class ToyStage(Stage):
    """One layer learns to give its picture back; a second one plays the discriminator."""

    name = "toy"

    def __init__(self, optim: OptimSettings, *, width: int = 3, judged: bool = True) -> None:
        torch.manual_seed(0)
        super().__init__(_Layers(nn.Conv2d(3, width, 1), nn.BatchNorm2d(width)), optim)
        if judged:
            self.set_judge(nn.Conv2d(3, 1, 1))
        self.poison: Callable[[ToyStage, dict[str, Tensor]], None] = lambda *_: None

    def learn(self, batch: Batch) -> dict[str, Tensor]:
        gap = (self.network(batch.truth)[:, :3] - batch.truth).square().mean()
        self.optimizer.zero_grad()
        gap.backward()
        self.optimizer.step()
        terms = {"gap": gap.detach()}
        if self.judge is not None and self.judge_optimizer is not None:
            loss = self.judge(batch.truth).square().mean()
            self.judge_optimizer.zero_grad()
            loss.backward()
            self.judge_optimizer.step()
            terms["judge"] = loss.detach()
        self.poison(self, terms)
        return terms


def settings(**values: Any) -> OptimSettings:
    return OptimSettings(**{"steps": 6, "learning_rate": 0.05, "save_every": 2, **values})


def batches(step: int) -> Generator[Batch, None, None]:
    for i in itertools.count(step):
        generator = torch.Generator().manual_seed(i)
        truth = torch.rand(2, 3, 4, 4, generator=generator)
        yield Batch(truth, truth[:, :1] > 0.5)


def train(stage: Stage, folder: Path) -> list[Progress]:
    seen: list[Progress] = []
    run(stage, batches, folder, seen.append)
    return seen


def flat(value: Any, name: str = "") -> dict[str, Any]:
    """Everything in a state, however nested, by its path."""
    if isinstance(value, dict):
        parts = [flat(part, f"{name}.{key}") for key, part in value.items()]
    elif isinstance(value, list | tuple):
        parts = [flat(part, f"{name}.{i}") for i, part in enumerate(value)]
    else:
        return {name: value}
    return {path: leaf for part in parts for path, leaf in part.items()}


def assert_same_state(a: dict[str, Any], b: dict[str, Any]) -> None:
    left, right = flat(a), flat(b)
    assert left.keys() == right.keys()
    for name, leaf in left.items():
        same = torch.equal(leaf, right[name]) if isinstance(leaf, Tensor) else leaf == right[name]
        assert same, name


@pytest.fixture(autouse=True)
def _surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Whatever a test does, the runner's own handlers come back; and no disk is waited for."""
    monkeypatch.setattr(os, "fsync", lambda _: None)
    before = {n: signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.mark.parametrize(
    ("judged", "ema", "broken_at"), [(True, 0.9, 1), (True, 0.0, 3), (False, 0.9, 5)]
)
def test_a_resumed_run_ends_where_an_unbroken_one_does(
    judged: bool, ema: float, broken_at: int, tmp_path: Path
) -> None:
    optim = settings(ema=ema, warmup=4, cosine=True)
    unbroken = ToyStage(optim, judged=judged)
    train(unbroken, tmp_path / "unbroken")

    def stop(progress: Progress) -> None:
        if progress.step == broken_at:
            os.kill(os.getpid(), signal.SIGTERM)

    with pytest.raises(Interrupted):
        run(ToyStage(optim, judged=judged), batches, tmp_path / "broken", stop)
    again = ToyStage(optim, judged=judged)
    seen = train(again, tmp_path / "broken")
    assert [p.step for p in seen] == list(range(broken_at + 1, 7))
    assert_same_state(again.state_dict(), unbroken.state_dict())
    assert ("average" in again.state_dict()) == bool(ema)
    assert ("judge_optimizer" in again.state_dict()) == judged


def test_every_step_is_told_and_written_down(tmp_path: Path) -> None:
    seen = train(ToyStage(settings()), tmp_path / "deep" / "run")
    assert [p.step for p in seen] == [1, 2, 3, 4, 5, 6]
    assert all(p.losses.keys() == {"gap", "judge"} and p.seconds > 0 for p in seen)
    lines = (tmp_path / "deep" / "run" / "metrics.jsonl").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [vars(p) for p in seen]


def test_a_killed_run_leaves_no_step_in_the_log_twice(tmp_path: Path) -> None:
    train(ToyStage(settings()), tmp_path / "unbroken")
    wanted = (tmp_path / "unbroken" / "metrics.jsonl").read_text().splitlines()
    train(ToyStage(settings(until=4)), tmp_path / "killed")
    log = tmp_path / "killed" / "metrics.jsonl"
    log.write_text(log.read_text() + wanted[4] + "\n" + wanted[5][:20])  # after its last save
    train(ToyStage(settings()), tmp_path / "killed")
    found = [json.loads(line) for line in log.read_text().splitlines()]
    assert [line["step"] for line in found] == [1, 2, 3, 4, 5, 6]
    assert [line["losses"] for line in found] == [json.loads(w)["losses"] for w in wanted]


@pytest.mark.filterwarnings("ignore")  # torch's own, while it traces
def test_compiled_networks_learn_the_same_and_their_weights_keep_their_names(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the back end, which takes seconds to start."""
    graphs: list[object] = []

    def eager(graph: torch.fx.GraphModule, _: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    monkeypatch.setattr(torch, "compile", functools.partial(torch.compile, backend=eager))
    plain, compiled = ToyStage(settings(ema=0.9)), ToyStage(settings(ema=0.9, compile=True))
    for stage, folder in ((plain, "plain"), (compiled, "compiled")):
        stage.join(ALONE)
        train(stage, tmp_path / folder)
        assert bool(graphs) is (stage is compiled)
    for name, leaf in flat(plain.state_dict()).items():
        found = flat(compiled.state_dict())[name]
        if isinstance(leaf, Tensor):
            torch.testing.assert_close(found, leaf, msg=name)


class Far(Team):
    """An accelerator, as the loop sees it: losses are fetched some steps at once."""

    def __init__(self) -> None:
        super().__init__(torch.device("meta"))
        self.fetched: list[int] = []

    def take(self, batch: Batch) -> Batch:
        return batch

    def mean(self, values: Tensor) -> Tensor:
        self.fetched.append(len(values))
        return values


def test_losses_on_an_accelerator_are_fetched_some_steps_at_once_or_when_they_are_due(
    tmp_path: Path,
) -> None:
    stage, team = ToyStage(settings(steps=24, save_every=16), judged=False), Far()
    told: list[tuple[int, int]] = []

    def look(progress: Progress) -> None:
        told.append((progress.step, stage.step))

    run(stage, batches, tmp_path / "far", look, team=team, due=lambda step: step == 14)
    assert team.fetched == [10, 4, 2, 8]  # full, due, to be saved, the last
    assert [step for step, _ in told] == list(range(1, 25))
    assert all(at == step for step, at in told if step in (10, 14, 16, 24))
    train(ToyStage(settings(steps=24), judged=False), tmp_path / "near")
    far, near = (
        [json.loads(line) for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("far", "near")
    )
    assert [line["losses"] for line in far] == [line["losses"] for line in near]


def test_a_loss_that_is_no_number_is_found_before_a_later_step_is_saved(tmp_path: Path) -> None:
    stage = ToyStage(settings(steps=20, save_every=8))

    def poison(stage: ToyStage, terms: dict[str, Tensor]) -> None:
        if stage.step == 12:
            terms["gap"] = torch.tensor(math.nan)

    stage.poison = poison
    with pytest.raises(DataError, match="step 12: losses are"):
        run(stage, batches, tmp_path, lambda _: None, team=Far(), due=lambda _: False)
    assert torch.load(tmp_path / "state.pt")["step"] == 8


def test_a_signal_on_an_accelerator_is_not_kept_waiting(tmp_path: Path) -> None:
    stage = ToyStage(settings(steps=20, save_every=100))
    stage.poison = lambda stage, _: os.kill(os.getpid(), 15) if stage.step == 2 else None
    with pytest.raises(Interrupted, match="stopped at step 3, saved"):
        run(stage, batches, tmp_path, lambda _: None, team=Far(), due=lambda _: False)


def test_a_step_tells_how_long_it_waited_and_at_what_rate_it_learned(tmp_path: Path) -> None:
    def slow(step: int) -> Generator[Batch, None, None]:
        for batch in batches(step):
            time.sleep(0.02)
            yield batch

    seen: list[Progress] = []
    run(ToyStage(settings(steps=2, warmup=4)), slow, tmp_path, seen.append)
    assert all(0.02 <= p.waited < p.seconds for p in seen)
    assert [p.rate for p in seen] == pytest.approx([0.0125, 0.025])


def test_a_state_from_another_device_is_taken_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A card that is not here: its tensors are read to the CPU, then go where the network is."""
    train(ToyStage(settings()), tmp_path)
    asked: list[object] = []
    load = torch.load

    def look(*values: Any, **named: Any) -> Any:
        asked.append(named.get("map_location"))
        return load(*values, **named)

    monkeypatch.setattr(torch, "load", look)
    resume(ToyStage(settings()), tmp_path)
    assert asked == ["cpu"]


def test_a_listener_that_has_enough_ends_the_run_which_is_saved(tmp_path: Path) -> None:
    stage = ToyStage(settings(save_every=100))
    run(stage, batches, tmp_path, lambda progress: progress.step == 3)
    assert torch.load(tmp_path / "state.pt")["step"] == 3


def test_the_state_is_saved_every_so_many_steps_and_at_the_end(tmp_path: Path) -> None:
    at_step: dict[int, int] = {}

    def look(progress: Progress) -> None:
        path = tmp_path / "state.pt"
        at_step[progress.step] = torch.load(path)["step"] if path.exists() else 0

    run(ToyStage(settings(steps=5, save_every=2)), batches, tmp_path, look)
    assert at_step == {1: 0, 2: 0, 3: 2, 4: 2, 5: 4}
    assert torch.load(tmp_path / "state.pt")["step"] == 5


def test_a_finished_run_does_no_further_step(tmp_path: Path) -> None:
    train(ToyStage(settings()), tmp_path)
    again = ToyStage(settings())
    assert train(again, tmp_path) == []
    assert again.step == 6


def test_the_network_to_use_is_written_beside_the_state(tmp_path: Path) -> None:
    stage = ToyStage(settings(ema=0.9))
    train(stage, tmp_path)
    found = ToyStage(settings()).network
    load_into(found, tmp_path / "network.safetensors")
    assert stage.average is not None
    assert_same_state(dict(found.state_dict()), dict(stage.average.state_dict()))


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_run_after_its_step_with_the_state_saved(
    number: signal.Signals, tmp_path: Path
) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]

    def stop(progress: Progress) -> None:
        if progress.step == 3:
            os.kill(os.getpid(), number)

    stage = ToyStage(settings())
    with pytest.raises(Interrupted, match="stopped at step 3, saved"):
        run(stage, batches, tmp_path, stop)
    assert_same_state(torch.load(tmp_path / "state.pt"), stage.state_dict())
    assert stage.step == 3
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_a_second_signal_does_what_it_did_before(tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it

    def stop(_: Progress) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(ToyStage(settings()), batches, tmp_path, stop)


def test_signals_are_given_back_whatever_ends_the_run(tmp_path: Path) -> None:
    before = [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)]
    train(ToyStage(settings()), tmp_path / "done")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before
    stage = ToyStage(settings())
    stage.poison = lambda _, terms: terms.update(gap=torch.tensor(math.nan))
    with pytest.raises(DataError):
        train(stage, tmp_path / "broken")
    assert [signal.getsignal(n) for n in (signal.SIGINT, signal.SIGTERM)] == before


def test_the_batches_are_closed_however_the_run_ends(tmp_path: Path) -> None:
    """What makes them ahead ends with them."""
    held = list[int]()

    def source(step: int) -> Generator[Batch, None, None]:
        held.append(step)
        try:
            yield from batches(step)
        finally:
            held.clear()

    def fail(_: Progress) -> None:
        assert held == [0]
        raise DataError("no more")

    run(ToyStage(settings()), source, tmp_path / "done", lambda _: None)
    assert held == []
    with pytest.raises(DataError, match="no more") as caught:  # whose traceback keeps all frames
        run(ToyStage(settings()), source, tmp_path / "broken", fail)
    assert held == []
    assert caught.traceback


@pytest.mark.parametrize("value", [math.nan, math.inf])
@pytest.mark.parametrize("name", ["gap", "judge"])
def test_a_loss_that_is_no_number_ends_the_run_and_keeps_the_last_good_state(
    name: str, value: float, tmp_path: Path
) -> None:
    stage = ToyStage(settings())

    def poison(stage: ToyStage, terms: dict[str, Tensor]) -> None:
        if stage.step == 3:
            terms[name] = torch.tensor(value)

    stage.poison = poison
    with pytest.raises(DataError, match=f"step 3: losses are .*'{name}': {value}") as caught:
        train(stage, tmp_path)
    assert "\n" not in str(caught.value)
    good = ToyStage(settings(steps=2))
    train(good, tmp_path / "good")
    assert_same_state(torch.load(tmp_path / "state.pt"), good.state_dict())


def test_a_weight_that_is_no_number_is_never_saved(tmp_path: Path) -> None:
    """A loss may be finite while its gradient was not: the next loss would tell, too late."""
    stage = ToyStage(settings())

    def poison(stage: ToyStage, _: dict[str, Tensor]) -> None:
        if stage.step == 3:
            next(stage.network.parameters()).data[0] = math.nan

    stage.poison = poison
    with pytest.raises(DataError, match=r"step 4: weight 0\.weight is not a finite number"):
        train(stage, tmp_path)
    assert torch.load(tmp_path / "state.pt")["step"] == 2


@pytest.mark.parametrize(
    ("build", "words"),
    [
        (lambda: ToyStage(settings(), width=4), "size mismatch"),
        (lambda: ToyStage(settings(), judged=True), "judge"),
        (lambda: ToyStage(settings(ema=0.9), judged=False), "average"),
    ],
)
def test_a_state_of_another_architecture_is_refused(
    build: Callable[[], ToyStage], words: str, tmp_path: Path
) -> None:
    train(ToyStage(settings(), judged=False), tmp_path)
    with pytest.raises(BundleError, match=words) as caught:
        train(build(), tmp_path)
    assert str(caught.value).startswith(f"{tmp_path / 'state.pt'}: not a state of this run: ")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "pickle", "list"])
def test_a_damaged_state_is_refused_with_one_line(damage: str, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    train(ToyStage(settings()), tmp_path)
    if damage == "pickle":
        torch.save({"step": _Payload()}, path)
    elif damage == "list":
        torch.save([1], path)
    else:
        whole = path.read_bytes()
        path.write_bytes({"empty": b"", "text": b"no state", "cut": whole[:-300]}[damage])
    with pytest.raises(BundleError, match="not a state of this run") as caught:
        resume(ToyStage(settings()), tmp_path)
    assert "\n" not in str(caught.value)


class _Payload:
    """Pickled, it would run a function when read."""

    def __reduce__(self) -> tuple[Callable[[str], None], tuple[str]]:
        return exec, ("raise SystemExit",)


def test_a_failed_save_leaves_the_old_state(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = ToyStage(settings())
    save(stage, tmp_path)
    before = (tmp_path / "state.pt").read_bytes()

    def fail(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", fail)
    with pytest.raises(Exception, match="No space left"):
        save(stage, tmp_path)
    assert (tmp_path / "state.pt").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["network.safetensors", "state.pt"]


@pytest.mark.parametrize(
    ("values", "step", "share"),
    [
        ({}, 0, 1.0),
        ({}, 99, 1.0),
        ({"warmup": 4}, 0, 0.25),
        ({"warmup": 4}, 2, 0.75),
        ({"warmup": 4}, 3, 1.0),
        ({"warmup": 4}, 50, 1.0),
        ({"cosine": True}, 0, 1.0),
        ({"cosine": True}, 25, (1 + math.sqrt(0.5)) / 2),
        ({"cosine": True}, 50, 0.5),
        ({"cosine": True}, 100, 0.0),
        ({"cosine": True}, 120, 0.0),
        ({"cosine": True, "warmup": 100}, 49, 0.5 * 0.5 * (1 + math.cos(math.pi * 0.49))),
    ],
)
def test_the_rate_is_a_function_of_the_step(
    values: dict[str, Any], step: int, share: float
) -> None:
    stage = ToyStage(settings(steps=100, learning_rate=0.2, discriminator_rate=0.03, **values))
    stage.step = step
    stage.schedule()
    assert stage.judge_optimizer is not None
    assert stage.optimizer.param_groups[0]["lr"] == pytest.approx(0.2 * share)
    assert stage.judge_optimizer.param_groups[0]["lr"] == pytest.approx(0.03 * share)


def test_the_rate_of_a_step_is_the_one_it_learns_with(tmp_path: Path) -> None:
    stage = ToyStage(settings(steps=4, learning_rate=0.4, warmup=4))
    rates = []
    stage.poison = lambda stage, _: rates.append(stage.optimizer.param_groups[0]["lr"])
    train(stage, tmp_path)
    assert rates == pytest.approx([0.1, 0.2, 0.3, 0.4])


def test_adam_has_the_papers_momentum() -> None:
    stage = ToyStage(settings(momentum=0.7))
    assert stage.judge_optimizer is not None
    for optimizer in (stage.optimizer, stage.judge_optimizer):
        assert optimizer.param_groups[0]["betas"] == (0.7, 0.999)
    assert OptimSettings().momentum == 0.5


def test_the_average_follows_the_weights_with_a_short_memory_at_first() -> None:
    stage = ToyStage(settings(ema=0.5))
    assert stage.average is not None
    weight, mean = next(stage.network.parameters()), next(stage.average.parameters())
    start = weight.detach().clone()
    assert torch.equal(mean, start)
    with torch.no_grad():
        weight.add_(1.0)
    stage.step = 0
    stage.update_average()  # decay 1/10
    torch.testing.assert_close(mean, start + 0.9)
    stage.step = 90
    stage.update_average()  # 91/100 is above 0.5
    torch.testing.assert_close(mean, start + 0.95)


def test_the_average_has_the_statistics_and_is_for_use_only(tmp_path: Path) -> None:
    stage = ToyStage(settings(ema=0.9))
    train(stage, tmp_path)
    assert stage.average is not None
    assert stage.result is stage.average
    assert not stage.average.training
    assert not any(p.requires_grad for p in stage.average.parameters())
    for kept, buffer in zip(stage.average.buffers(), stage.network.buffers(), strict=True):
        assert torch.equal(kept, buffer)
    assert stage.network.training
    plain = ToyStage(settings())
    assert plain.average is None
    assert plain.result is plain.network
