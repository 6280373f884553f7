"""The candidates nearest to each query in NumPy: the twin of `shortlists`, in the same order.

Maps are [C, h, w], float32; holes [h, w], bool.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from swapfill.engines.numpy_swap import PATCH, Bools, Floats, Places, candidates, touching
from swapfill.engines.numpy_threads import crew
from swapfill.masks import Box
from swapfill.neighbourhoods import (
    SCORE_STEP,
    Known,
    Neighbourhood,
    known_cells,
    neighbourhoods,
)
from swapfill.offsets import FOUND_STEP, NEAR, offered, shared_offsets, voters

# As in `shortlists`.
_BLOCK = 1_000_000
_ROWS = 6
_GROUPS = 4
_UNWANTED = np.float32(-9)
_STEP = np.float32(SCORE_STEP)
_FOUND_STEP = np.float32(FOUND_STEP)
_VOTING = 256


class Shortlist(NamedTuple):
    """What each query may take, as `coherence.Shortlist` has it."""

    query: Places  # [N, 2]
    places: Places  # [N, K], rising
    similarity: Floats  # [N, K]
    width: int


class _Strip(NamedTuple):
    """As in `shortlists`: products [V, n], and queries among the n."""

    products: Floats
    column: Places
    number: Places


def shortlist(
    asks: Floats, hole: Bools, unit: Floats, count: int, preferred: Floats | None = None
) -> Shortlist:
    """List the `count` candidates that are nearest to each query, as `shortlists.shortlist` does.

    Args:
        asks: what each cell asks for, [C, h, w]; known cells ask for themselves.
        hole: [h, w], with at least one cell.
        unit: the cells' unit features, [C, h, w].
        count: fewer where there are fewer.
        preferred: what each candidate gains, [h - 2, w - 2], in cosine.

    Raises:
        NoKnownPatchError: there is no candidate.
    """
    valid, asked = candidates(hole), touching(hole)
    count, width = min(count, int(valid.sum())), valid.shape[1]
    number = np.cumsum(asked).reshape(asked.shape) - 1  # of each query
    indices = np.empty((int(number[-1, -1]) + 1, count), np.int64)
    scores = np.empty(indices.shape, np.float32)
    table = np.ascontiguousarray(unit.reshape(len(unit), -1).T)  # a row each
    numbers = np.where(asked, number, -1)

    def list_near(some: Neighbourhood) -> None:
        box, near = some
        known = known_cells(valid, near)
        gain = None
        if preferred is not None:
            gain = (PATCH**2 * preferred.reshape(-1)[known.places])[:, None]
        part = _cells(asks, box)
        for products, column, which in _strips(part, table, known, numbers[box.slices]):
            if gain is not None:
                products += gain
            found, score = _largest(products, column, count)
            indices[which], scores[which] = known.places[found], score / np.float32(PATCH**2)

    with crew() as threads:
        threads.each(list_near, neighbourhoods(asked, valid, count))
    return Shortlist(np.argwhere(asked), indices, scores, width)


def offsets_around(unit: Floats, valid: Bools) -> Places:
    """Choose the offsets that all queries share, as `shortlists.offsets_around` does.

    Args:
        unit: the cells' unit features, [C, h, w].
        valid: which patches are candidates, [h - 2, w - 2].
    """
    asked = voters(valid)
    return shared_offsets(asked, _found_again(unit, asked, valid), valid)


def with_shared(
    own: Shortlist,
    asks: Floats,
    unit: Floats,
    offsets: Places,
    valid: Bools,
    preferred: Floats | None = None,
) -> Shortlist:
    """Offer each query what lies at offsets that all share, as `shortlists.with_shared` does.

    Args:
        own: what `shortlist` gave.
        asks: what it was given.
        unit: and this.
        offsets: [L, 2], see `offsets_around`.
        valid: which patches are candidates, [h - 2, w - 2].
        preferred: what each gains, as there.
    """
    told = offered(own.query, own.places, offsets, valid)
    similar = _similarities(asks, unit, own.query, offsets)
    if preferred is not None:
        similar += preferred.reshape(-1)[told.places]
    similar[~told.allowed] = _UNWANTED
    together = np.concatenate([own.places, told.places], axis=1)
    order = together.argsort(axis=1, kind="stable")
    both = np.concatenate([own.similarity, similar], axis=1)
    places, values = (np.take_along_axis(its, order, axis=1) for its in (together, both))
    return Shortlist(own.query, places, values, own.width)


def _found_again(unit: Floats, asked: Places, valid: Bools) -> Places:
    """Find each voter again, as `shortlists` does: [V], in reading order."""
    height, width = valid.shape
    rows = unit[:, :height] + unit[:, 1 : height + 1] + unit[:, 2:]
    mean = rows[:, :, :width] + rows[:, :, 1 : width + 1] + rows[:, :, 2:]
    norms = np.sqrt(np.einsum("chw,chw->hw", mean, mean))
    mean /= np.maximum(norms, np.float32(1e-12))
    table, found = mean.reshape(len(unit), -1) / _FOUND_STEP, np.empty(len(asked), np.int64)

    def find(first: int) -> None:
        some = asked[first : first + _VOTING]
        alike = mean[:, some[:, 0], some[:, 1]].T @ table
        np.rint(alike, out=alike)
        near = [np.abs(np.arange(n) - some[:, i, None]) <= NEAR for i, n in enumerate(valid.shape)]
        out = near[0][:, :, None] & near[1][:, None, :] | ~valid
        alike[out.reshape(alike.shape)] = -np.inf
        found[first : first + _VOTING] = alike.argmax(axis=1)

    with crew() as threads:
        threads.each(find, range(0, len(asked), _VOTING))
    return found


def _similarities(asks: Floats, unit: Floats, query: Places, offsets: Places) -> Floats:
    """Compare each query with what lies at each offset from it, [N, L]; nonsense off the map."""
    height, width = asks.shape[1:]
    steps = np.arange(PATCH)
    rows, columns = (
        query[:, 0, None] + steps.repeat(PATCH),
        query[:, 1, None] + np.tile(steps, PATCH),
    )
    cells = rows * width + columns  # [N, 9]
    place, number = np.unique(cells, return_inverse=True)
    row, column = np.divmod(place, width)
    asking, table = (its.reshape(len(its), -1).T for its in (asks, unit))
    asking, table = np.ascontiguousarray(asking[place]), np.ascontiguousarray(table)
    products = np.empty((len(place), len(offsets)), np.float32)

    def compare(i: int) -> None:
        down, right = offsets[i]
        there = np.clip(row + down, 0, height - 1) * width + np.clip(column + right, 0, width - 1)
        products[:, i] = np.einsum("pc,pc->p", asking, table[there])

    with crew() as threads:
        threads.each(compare, range(len(offsets)))
    nine = products[number.reshape(cells.shape)]
    return np.asarray(nine.sum(axis=1) / np.float32(PATCH**2))


def _cells(map_: Floats, patches: Box) -> Floats:
    """Cut the cells of a box of patches out of a map [C, h, w]."""
    reach = PATCH - 1
    return map_[:, patches.top : patches.bottom + reach, patches.left : patches.right + reach]


def _strips(asks: Floats, table: Floats, known: Known, numbers: Places) -> Iterator[_Strip]:
    """Multiply the patches of a box with candidates, some rows of the box at a time."""
    height, width = asks.shape[1:]
    cells = table.take(known.cells, axis=0)
    rows = max(_ROWS, _BLOCK // (width * len(cells)) - PATCH + 1)
    rows = -(-(height - PATCH + 1) // -(-(height - PATCH + 1) // rows))  # strips of one height
    gram_size, last = len(cells) * width * (rows + PATCH - 1), 2 * width
    product, diagonal = np.empty(gram_size, np.float32), np.zeros(gram_size + last, np.float32)
    held = np.empty((2, len(known.places) * width * (rows + PATCH - 1)), np.float32)
    for top in range(0, height - PATCH + 1, rows):
        part = asks[:, top : top + rows + PATCH - 1].reshape(len(asks), -1)
        across = part.shape[1]
        gram = product[: len(cells) * across]
        np.matmul(cells, part, out=gram.reshape(-1, across))
        end = len(gram) - 2 * (across + 1)
        summed = np.add(gram[:end], gram[across + 1 : end + across + 1], out=diagonal[:end])
        summed += gram[2 * across + 2 :]
        both = held[:, : len(known.places) * across].reshape(2, -1, across)
        for i, line in enumerate(known.lines):
            seen = diagonal[i * width : i * width + len(gram)].reshape(-1, across)
            # All are in the table; said otherwise than "clip", NumPy would copy once more.
            seen.take(line, axis=0, out=both[min(i, 1)], mode="clip")
            if i:
                both[0] += both[1]
        here = np.pad(numbers[top : top + rows], ((0, 0), (0, PATCH - 1)), constant_values=-1)
        column = np.flatnonzero(here >= 0)
        if len(column):
            yield _Strip(both[0], column, here.flat[column])


def _largest(products: Floats, column: Places, count: int) -> tuple[Places, Floats]:
    """Find the `count` largest of some columns, as `shortlists` does: [Q, count] each."""
    size = len(products) // (_GROUPS * count)
    if size < 2:
        few = products.T[column]
        return _largest_of_few(few, np.broadcast_to(np.arange(len(products)), few.shape), count)
    groups = products[: size * _GROUPS * count].reshape(size, _GROUPS * count, -1)
    of_groups, first = groups.max(axis=0)[:, column].T, _GROUPS * count - count
    least = np.partition(of_groups, first, axis=1)[:, first]
    low = np.full(products.shape[1:], np.inf, np.float32)
    low[column] = (np.rint(least / _STEP) - np.float32(0.51)) * _STEP
    query, place = np.nonzero(np.ascontiguousarray((products >= low).T)[column])
    there = np.bincount(query, minlength=len(column))
    number = np.arange(len(query)) - (np.cumsum(there) - there)[query]
    few = np.full((len(column), there.max()), -np.inf, np.float32)
    few[query, number] = products[place, column[query]]
    places = np.zeros(few.shape, np.int64)
    places[query, number] = place
    return _largest_of_few(few, places, count)


def _largest_of_few(few: Floats, places: Places, count: int) -> tuple[Places, Floats]:
    rounded, first = np.rint(few / _STEP), few.shape[1] - count
    least = np.partition(rounded, first, axis=1)[:, first, None]
    more, equal = rounded > least, rounded == least
    equal &= np.cumsum(equal, axis=1) <= count - more.sum(axis=1, keepdims=True)
    chosen = more | equal
    return places[chosen].reshape(-1, count), few[chosen].reshape(-1, count)
