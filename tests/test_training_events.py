import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from swapfill.errors import ConfigError
from swapfill.training.events import Events, open_events
from swapfill.training.progress import Progress


def events_in(folder: Path, step: int = 0, last_step: int = 25) -> Events:
    events = open_events(folder, step, 8, last_step, wanted=True)
    assert events is not None
    return events


def tell(events: Events, first: int, last: int) -> None:
    for step in range(first, last + 1):
        events(Progress(step, {"image": step / 2, "head": 1.0}, 0.5, 0.05, 1e-3 * step))


def read(folder: Path) -> EventAccumulator:
    found = EventAccumulator(str(folder))
    found.Reload()
    return found


def curve(found: EventAccumulator, name: str) -> dict[int, Any]:
    return {point.step: pytest.approx(point.value) for point in found.Scalars(name)}


def test_the_events_file_has_curves_figures_and_sheets(tmp_path: Path) -> None:
    events = events_in(tmp_path)
    tell(events, 1, 25)
    events.figures(20, {"hole_l1": 0.25})
    sheet = np.arange(2 * 4 * 3, dtype=np.uint8).reshape(2, 4, 3)
    events.sheet(20, sheet)
    events.close()
    found = read(tmp_path)
    assert curve(found, "losses/image") == {10: 5.0, 20: 10.0, 25: 12.5}
    assert curve(found, "losses/head") == dict.fromkeys((10, 20, 25), 1.0)
    assert curve(found, "learning rate") == {10: 0.01, 20: 0.02, 25: 0.025}
    assert curve(found, "pace/images a second")[20] == 16
    assert curve(found, "pace/share of waiting")[20] == 0.1
    assert curve(found, "validation/hole_l1") == {20: 0.25}
    (shown,) = found.Images("samples")
    assert (shown.step, shown.height, shown.width) == (20, 2, 4)


def test_steps_that_are_done_again_stand_in_it_once(tmp_path: Path) -> None:
    """A run that was killed at step 25 and had saved step 15."""
    events = events_in(tmp_path, last_step=40)
    tell(events, 1, 25)
    events.close()
    again = events_in(tmp_path, step=15, last_step=40)
    tell(again, 16, 40)
    again.close()
    steps = [point.step for point in read(tmp_path).Scalars("losses/image")]
    assert steps == [10, 20, 30, 40]


def test_without_tensorboard_events_are_left_out_or_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "torch.utils.tensorboard", None)
    assert open_events(tmp_path, 0, 8, 25, wanted="auto") is None
    with pytest.raises(ConfigError, match=r"tensorboard is not installed, want pip install 'swap"):
        open_events(tmp_path, 0, 8, 25, wanted=True)


def test_events_that_are_not_wanted_are_not_written(tmp_path: Path) -> None:
    assert open_events(tmp_path, 0, 8, 25, wanted=False) is None
    assert not list(tmp_path.iterdir())
