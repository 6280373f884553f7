"""What was measured on a device as a report: shares of what it can do, targets, a table."""

from typing import Any, NamedTuple

from swapfill.benching.accelerated import Filling, Measured, Swap, Wanted
from swapfill.benching.device_clock import Rates
from swapfill.benching.steps import STEPS
from swapfill.benching.tables import table
from swapfill.config import FEATURE_CHANNELS

Report = dict[str, Any]
_SHARE = 0.4  # of what the device can do, wanted


class _Target(NamedTuple):
    """Seconds wanted on a GPU of the H200's class, and what the paper took on a GTX 1080 Ti."""

    seconds: float
    paper: float


# By what they are for: (side, hole, pictures), and the side of a map.
_FILLINGS = {(512, 224, 16): _Target(0.040, 10.0)}
_SWAPS = {64: _Target(0.0003, 0.1)}


def filling_share(filling: Filling, rates: Rates) -> float:
    """Tell which share of its time the device needs at its measured rate for the operations."""
    rate = rates.bf16 if filling.precision == "bf16" else rates.fp32
    return filling.operations / rate / filling.seconds


def swap_share(swap: Swap, rates: Rates) -> float:
    """Tell which share of its time the device needs for the products or the bytes, the longer."""
    rate = rates.bf16 if swap.fused else rates.fp32
    return max(swap.operations / rate, swap.moved / rates.copied) / swap.seconds


def accelerated_report(found: Measured, wanted: Wanted) -> Report:
    """Put together what was measured, as JSON has it."""
    return {
        "asked": wanted._asdict(),
        "device": found.device,
        "rates": found.rates._asdict(),
        "fillings": [
            one._asdict() | {"share": filling_share(one, found.rates)} for one in found.fillings
        ],
        "swap": found.swap._asdict() | {"share": swap_share(found.swap, found.rates)},
    }


def accelerated_markdown(found: Measured, wanted: Wanted) -> str:
    """Write what was measured as Markdown."""
    rates, swap = found.rates, found.swap
    way = "one product and one kernel" if swap.fused else "patch_swap, no kernel here"
    parts = [
        f"{found.device}: {rates.fp32 / 1e12:.3g} TFLOP/s fp32, {rates.bf16 / 1e12:.3g} TFLOP/s "
        f"bf16, copying {rates.copied / 1e9:.3g} GB/s. {wanted.pictures} pictures of {wanted.side} "
        f"x {wanted.side} at once, hole {wanted.hole} x {wanted.hole}, from and to arrays of the "
        f"host; medians of {wanted.repeat}.",
        _times(found, wanted),
        _steps(found.fillings),
        f"Patch-swap: {way}; {swap.differing:.2%} of the hole's cells differ from the CPU's, by at "
        f"most {swap.gap:.1e} of cosine (wanted: 1e-4).",
    ]
    return "\n\n".join(parts) + "\n"


def _times(found: Measured, wanted: Wanted) -> str:
    head = ["", "ms", "wanted", "the paper", "share of peak", "largest difference", "mean"]
    size = (wanted.side, wanted.hole, wanted.pictures)
    body = [
        [
            *(one.name, *_against(one.seconds, _FILLINGS.get(size))),
            f"{filling_share(one, found.rates):.1%}",
            *(f"{255 * one.largest:.1f} of 255", f"{255 * one.mean:.3f}"),
        ]
        for one in found.fillings
    ]
    swap = found.swap
    name = f"patch-swap {swap.cells} x {swap.cells} x {FEATURE_CHANNELS}"
    timed = _against(swap.seconds, _SWAPS.get(swap.cells))
    share = f"{swap_share(swap, found.rates):.1%}"
    return table(head, [*body, [name, *timed, share, "", ""]]) + (
        f"\n\nA share of at least {_SHARE:.0%} is wanted. Differences are from what the CPU fills "
        "in fp32; where two pieces are as good, another one may be copied."
    )


def _against(seconds: float, target: _Target | None) -> list[str]:
    """Write milliseconds, those wanted with the verdict, and the paper's."""
    if target is None:
        return [f"{1e3 * seconds:.3g}", "", ""]
    verdict = "met" if seconds <= target.seconds else "missed"
    wanted = f"{1e3 * target.seconds:.3g}, {verdict}"
    return [f"{1e3 * seconds:.3g}", wanted, f"{1e3 * target.paper:.0f}"]


def _steps(fillings: list[Filling]) -> str:
    """Tabulate the steps, each waited for: their sum is more than the whole."""
    names = [name for name in STEPS if any(name in one.steps for one in fillings)]
    body = [
        [one.name, *(f"{1e3 * one.steps[name]:.3g}" if name in one.steps else "" for name in names)]
        for one in fillings
    ]
    return table(["ms, each step waited for", *names], body)
