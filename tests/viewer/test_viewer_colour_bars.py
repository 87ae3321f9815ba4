"""Colour bars: those of what is seen and no others, made in a turn of their own."""

from __future__ import annotations

from viewer_doubles import make_reconstruction, make_scan

from napari_autophase.viewer.model import layers
from napari_autophase.viewer.model.stage import Stage


def bars(viewer):
    return [layer for layer in viewer.layers if getattr(layer, "colorbar", None) and layer.colorbar.visible]


def test_of_many_results_the_one_that_is_seen_has_a_bar(viewer):
    found = make_reconstruction(size=16)
    results = [layers.add_reconstruction(viewer, found, group=group) for group in (1, 2, 3)]
    assert bars(viewer) == [results[2].layer("isosurface")]
    results[0].show()
    assert bars(viewer) == [results[0].layer("isosurface")]
    viewer.dims.ndisplay = 2
    assert bars(viewer) == [results[0].layer("slices")]


def test_a_bar_that_a_person_has_closed_stays_closed(viewer):
    found = make_reconstruction(size=16)
    one, other = (layers.add_reconstruction(viewer, found, group=group) for group in (1, 2))
    other.layer("isosurface").colorbar.visible = False
    one.show()
    other.show()
    assert bars(viewer) == []
    other.layer("isosurface").colorbar.visible = True
    one.show()
    other.show()
    assert bars(viewer) == [other.layer("isosurface")]


def test_a_bar_is_made_in_a_later_turn(viewer):
    later = []
    Stage.of(viewer).bars.soon = lambda go_on: later.append(go_on) or True
    result = layers.add_reconstruction(viewer, make_reconstruction(size=16), group=1)
    assert result.layer("isosurface").visible
    assert bars(viewer) == []
    assert len(later) == 1, "once for all that changed in this turn"
    later.pop()()
    assert bars(viewer) == [result.layer("isosurface")]


def test_layers_of_others_are_left_alone(viewer, session):
    image = viewer.add_image(make_scan(size=16).counts)
    session.add_scan(make_scan(size=16))
    assert bars(viewer) == [session.scan_layer]
    image.colorbar.visible = True
    image.visible = False
    assert image.colorbar.visible
