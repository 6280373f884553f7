from typing import Any

import pytest
import torch
from torch import Tensor

from swapfill.errors import ConfigError
from swapfill.training.balance import Balance
from swapfill.training.settings import LossSettings
from swapfill.training.team import Team


def settings(**loss: Any) -> LossSettings:
    return LossSettings.read({"image": 10.0, "feature": 0.5, "adversarial": 2.0, **loss}, "test")


def terms(image: float, feature: float, adversarial: float) -> dict[str, Tensor]:
    values = {"image": image, "feature": feature, "adversarial": adversarial}
    return {name: torch.tensor(value, requires_grad=True) for name, value in values.items()}


def test_without_ratios_the_weights_are_those_given() -> None:
    balance, found = Balance(settings()), terms(0.5, 30.0, -4.0)
    total = balance.total(found, 0)
    total.backward()
    assert float(total.detach()) == 10 * 0.5 + 0.5 * 30 - 2 * 4
    assert [float(term.grad or 0) for term in found.values()] == [10, 0.5, 2]
    assert balance.state_dict() == {}


def test_a_ratio_makes_a_term_that_multiple_of_the_image_term() -> None:
    balance, found = Balance(settings(ratio={"feature": 0.25})), terms(0.5, 30.0, -4.0)
    total = balance.total(found, 0)
    assert float(total.detach()) == pytest.approx(5 + 0.25 * 5 - 2 * 4)
    total.backward()
    assert found["image"].grad == 10  # the weight is a number: nothing flows through it
    assert float(found["feature"].grad or 0) == pytest.approx(0.25 * 5 / 30)


def test_a_term_that_may_be_negative_is_measured_by_its_size() -> None:
    balance = Balance(settings(ratio={"adversarial": 0.1}))
    balance.total(terms(0.5, 1.0, -4.0), 0)
    balance.total(terms(0.7, 1.0, 2.0), 1)
    assert balance.weight("adversarial") == pytest.approx(0.1 * 10 * 1.2 / 6)


def test_weights_follow_the_first_steps_and_then_stay() -> None:
    balance = Balance(settings(ratio={"feature": 1.0, "steps": 2}))
    seen = []
    for step, (image, feature) in enumerate([(1.0, 4.0), (3.0, 4.0), (9.0, 1.0)]):
        balance.total(terms(image, feature, 1.0), step)
        seen.append(balance.weight("feature"))
    assert seen == pytest.approx([10 / 4, 40 / 8, 40 / 8])
    assert balance.weight("image") == 10
    assert balance.weight("adversarial") == 2


class Two(Team):
    """Two processes, the other of which finds twice as much."""

    def mean(self, values: Tensor) -> Tensor:
        return values * 1.5


def test_processes_measure_what_all_of_them_find() -> None:
    balance = Balance(settings(ratio={"feature": 1.0}))
    balance.team = Two(torch.device("cpu"))
    balance.total(terms(2.0, 4.0, 1.0), 0)
    assert balance.state_dict() == {"image": 3.0, "feature": 6.0, "adversarial": 1.5}


def test_a_term_that_has_been_nothing_keeps_its_given_weight() -> None:
    balance = Balance(settings(ratio={"feature": 1.0}))
    balance.total(terms(1.0, 0.0, 1.0), 0)
    assert balance.weight("feature") == 0.5


def test_what_was_measured_goes_with_the_state() -> None:
    unbroken, first = (Balance(settings(ratio={"feature": 0.3, "steps": 3})) for _ in range(2))
    steps = [terms(0.1 * i + 0.3, 7.0 / (i + 1), 1.0) for i in range(4)]
    wanted = [float(unbroken.total(found, i).detach()) for i, found in enumerate(steps)]
    for i in range(2):
        first.total(steps[i], i)
    second = Balance(settings(ratio={"feature": 0.3, "steps": 3}))
    state = first.state_dict()
    second.load_state_dict(state)
    first.total(steps[3], 0)  # what it measures on has no part in the state, nor in the other
    assert state == second.state_dict() != first.state_dict()
    assert [float(second.total(steps[i], i).detach()) for i in (2, 3)] == wanted[2:]


@pytest.mark.parametrize("term", ["feature", "head", "perceptual", "adversarial"])
def test_a_ratio_wants_its_term_to_be_in_use(term: str) -> None:
    with pytest.raises(ConfigError, match=rf"{term} is 0 and ratio\.{term} is not"):
        settings(**{term: 0.0, "ratio": {term: 1.0}})
    assert settings(**{term: 1.0, "ratio": {term: 0.5}}).ratio.of(term) == 0.5


def test_a_misspelt_ratio_lists_the_choices() -> None:
    with pytest.raises(ConfigError, match=r"ratio\.image is not a setting, want one of advers"):
        settings(ratio={"image": 1.0})
