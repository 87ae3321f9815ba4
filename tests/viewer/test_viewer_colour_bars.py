"""Colour bars: what is seen has one, made in a turn of its own, and a person may close it."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
from viewer_doubles import make_reconstruction, make_scan
from vispy.visuals.axis import _get_ticks_talbot

from napari_autophase.viewer.model.crystal.quantity import limits
from napari_autophase.viewer.model.stage import layers
from napari_autophase.viewer.model.stage.stage import Stage


def bars(viewer):
    return [layer for layer in viewer.layers if getattr(layer, "colorbar", None) and layer.colorbar.visible]


def test_a_result_has_a_bar_from_when_it_is_first_seen(viewer):
    found = make_reconstruction(size=16)
    result = layers.add_reconstruction(viewer, found, group=1)
    assert bars(viewer) == [result.layer("isosurface")]
    viewer.dims.ndisplay = 2
    assert set(bars(viewer)) == {result.layer("isosurface"), result.layer("slices")}
    viewer.dims.ndisplay = 3
    assert set(bars(viewer)) == {result.layer("isosurface"), result.layer("slices")}, "none is made anew"


def test_a_bar_that_a_person_has_closed_stays_closed(viewer):
    found = make_reconstruction(size=16)
    one, other = (layers.add_reconstruction(viewer, found, group=group) for group in (1, 2))
    other.layer("isosurface").colorbar.visible = False
    one.show()
    other.show()
    assert bars(viewer) == [one.layer("isosurface")]


def test_a_bar_is_made_in_a_later_turn(viewer):
    later = []
    Stage.of(viewer).bars.soon = lambda go_on: later.append(go_on) or True
    result = layers.add_reconstruction(viewer, make_reconstruction(size=16), group=1)
    assert result.layer("isosurface").visible
    assert bars(viewer) == []
    assert len(later) == 1, "once for all that changed in this turn"
    later.pop()()
    assert bars(viewer) == [result.layer("isosurface")]


def test_of_several_bars_each_is_made_in_a_turn_of_its_own(viewer):
    later = []
    Stage.of(viewer).bars.soon = lambda go_on: later.append(go_on) or True
    for group in (1, 2):
        layers.add_reconstruction(viewer, make_reconstruction(size=16), group=group)
    for layer in viewer.layers:
        layer.visible = True
    for count in (1, 2):
        later.pop()()
        assert len(bars(viewer)) == count
    assert later == []


def test_layers_of_others_are_left_alone(viewer, session):
    image = viewer.add_image(make_scan(size=16).counts)
    session.add_scan(make_scan(size=16))
    assert bars(viewer) == [session.scan_layer]
    image.colorbar.visible = True
    image.visible = False
    assert image.colorbar.visible


def test_what_is_hidden_has_none_while_several_views_are_made_and_a_new_one_when_it_is_seen(viewer):
    found = make_reconstruction(size=16)
    one, other, third = (layers.add_reconstruction(viewer, found, group=group) for group in (1, 2, 3))
    for each in (one, other, third):
        each.show()
    third.layer("isosurface").colorbar.visible = False
    other.show()
    Stage.of(viewer).bars.rest()
    assert bars(viewer) == [other.layer("isosurface")]
    one.show()
    third.show()
    assert set(bars(viewer)) == {one.layer("isosurface"), other.layer("isosurface")}, (
        "the third's was closed by a person"
    )


def test_bars_of_strain_say_more_than_zero():
    """At the size that napari draws its bar in, by the rule of vispy, which leaves out what lies outside."""
    bare = 0
    for limit in 10 ** np.linspace(-6, -1, 200):
        low, high = limits("strain", SimpleNamespace(strain_limit=limit))
        assert low == -high
        assert limit <= high <= 1.31 * limit
        ticks = _get_ticks_talbot(low, high, 2.0, 2)
        assert any(0 < tick <= high * 1.0001 for tick in ticks), f"±{high:.3g} has {ticks}"
        bare += not any(0 < tick <= limit for tick in _get_ticks_talbot(-limit, limit, 2.0, 2))
    assert bare > 40, "as others do"
    assert limits("strain", SimpleNamespace(strain_limit=8.9e-4)) == (-1e-3, 1e-3)
    assert limits("strain", SimpleNamespace(strain_limit=6e-4)) == (-6e-4, 6e-4)
