import pytest

from swapfill.engines.onnx_numbers import Range


@pytest.mark.parametrize(
    "its", [Range(0, 4), Range(-1, 3), Range(-2, 0), Range(2, 5), Range(-5, -2)]
)
def test_bytes_reach_from_end_to_end_and_have_0(its: Range) -> None:
    low, high = (its.scale * (byte - its.zero) for byte in (0, 255))
    assert low - its.scale / 2 <= min(its.low, 0) <= low + its.scale / 2
    assert high - its.scale / 2 <= max(its.high, 0) <= high + its.scale / 2
    assert 0 <= its.zero <= 255


def test_where_nothing_but_0_was_seen_a_step_is_not_0() -> None:
    assert Range(0, 0).scale > 0
