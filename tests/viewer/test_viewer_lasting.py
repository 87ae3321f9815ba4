"""What lasts is set aside from the collector, and layers that leave are freed nevertheless."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

from napari_autophase.viewer.lasting import Lasting


@pytest.fixture
def frozen():
    """How many objects are set aside; afterwards those that were before are again."""
    gc.unfreeze()
    yield gc.get_freeze_count
    gc.unfreeze()
    gc.freeze()


def image(viewer):
    """A layer that only the collector frees once it has left, below one that napari remembers as the last that was selected."""
    layer = viewer.add_image(np.zeros((4, 4)))
    layer.metadata["itself"] = layer
    viewer.add_points()
    return weakref.ref(layer)


def test_a_layer_that_came_since_leaves_without_a_look_at_what_lasts(viewer, frozen):
    lasting = Lasting(viewer, lambda _: False)
    image(viewer)
    lasting.set_aside()
    assert frozen() > 1000
    new = image(viewer)
    viewer.layers.remove(new())
    assert frozen() > 1000
    gc.collect()
    assert new() is None


def test_a_layer_that_was_there_is_freed_when_it_leaves_and_the_rest_is_set_aside_again(viewer, frozen):
    later = []
    lasting = Lasting(viewer, lambda go_on: later.append(go_on) or True)
    old, other = image(viewer), image(viewer)
    lasting.set_aside()
    seen = []
    viewer.layers.events.removed.connect(lambda: (gc.collect(), seen.append(frozen())), position="last")
    viewer.layers.clear()
    assert seen == [0] * 4, "napari's own collection goes through all"
    gc.collect()
    assert (old(), other()) == (None, None)
    assert len(later) == 1, "once for all that left in this turn"
    later.pop()()
    assert frozen() > 1000


def test_where_nothing_was_set_aside_nothing_is_counted_in(viewer, frozen):
    Lasting(viewer, lambda _: False)
    gc.freeze()
    before = frozen()
    image(viewer)
    viewer.layers.clear()
    assert frozen() > before - 1000, "a few are freed by and by"
