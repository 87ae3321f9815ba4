"""What differs between the versions of napari that we support (0.7, 0.8, 0.9): nothing else here asks for any of it.

Each function looks for what napari 0.9 has, and knows where the older ones keep it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import napari
import numpy as np
import pint
from napari.components import ViewerModel
from napari.components.camera import Camera
from napari.layers import Layer

OLDEST = (0, 7)
"""The oldest version of napari that has what we use; the extras in pyproject.toml ask for it too."""
MARGIN = 0.05
"""Part of the canvas that napari leaves free around what it fits to it."""


def require(version: str) -> None:
    """Refuse a napari that is too old, which nothing kept from being installed beside us.

    Raises
    ------
    ImportError
        If it is.
    """
    if tuple(int(part) for part in version.split(".")[:2]) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise ImportError(
            f"AutoPhase needs napari {oldest} or newer, and this is napari {version}: "
            "upgrade it with  pip install --upgrade napari"
        )


require(napari.__version__)


def know_voxels() -> None:
    """Teach napari's units what a voxel is, so that the scale bar of a crystal without geometry says so."""
    units = pint.get_application_registry()
    if "voxel" not in units:
        units.define("voxel = pixel")


def surroundings(viewer: ViewerModel) -> tuple[Any, ...]:
    """Return what is drawn around the layers: scale bar, axes in the corner, text.

    napari 0.7 has axes at the origin alone, within the crystal: none of those.
    """
    if hasattr(viewer, "canvas"):
        overlays = viewer.canvas.overlays
        return overlays.scale_bar, overlays.axes, overlays.text
    axes = (viewer.floating_axes,) if hasattr(viewer, "floating_axes") else ()
    return viewer.scale_bar, *axes, viewer.text_overlay


def text(viewer: ViewerModel) -> Any:
    """Return the text in the canvas."""
    return surroundings(viewer)[-1]


def camera(viewer: ViewerModel) -> Camera:
    """Return the camera."""
    return viewer.scene.camera if hasattr(viewer, "scene") else viewer.camera


def canvas_size(viewer: ViewerModel) -> tuple[int, int]:
    """Return height and width of the canvas in pixels."""
    return viewer.canvas.size if hasattr(viewer, "canvas") else getattr(viewer, "_canvas_size")  # noqa: B009


def view_width(viewer: ViewerModel) -> int:
    """Return the width of a view in pixels: of the canvas, or of a column of it."""
    grid = _grid(viewer)
    return canvas_size(viewer)[1] // (max(grid.shape[1], 1) if grid.enabled else 1)


def when_resized(viewer: ViewerModel, then: Callable[[], object]) -> None:
    """Call a function whenever the canvas has another size, or several views; napari before 0.9 does not tell of its size."""
    _grid(viewer).events.enabled.connect(lambda _: then())
    with suppress(AttributeError):
        viewer.canvas.events.size.connect(lambda _: then())


@contextmanager
def moved_once(viewer: ViewerModel) -> Iterator[None]:
    """Let what is drawn follow the camera once, at the end, whatever of it is set meanwhile; drawn it is afterwards.

    Where the dimensions change napari sets one thing of the camera after the other, and vispy carries each to all that is in the
    scene, hidden layers too: fifteen times.  Sliders that come or go change the size of the canvas, which Qt then draws at once,
    and for which napari sets all of it again.
    """
    drawn: Any = None
    with suppress(
        AttributeError, RuntimeError
    ):  # there is no window, it is closed, or another napari draws otherwise
        canvas = viewer.window._qt_viewer.canvas
        drawn, widget, box = canvas.camera, canvas.native, canvas.camera._view
        # a camera that was never used has no place yet: it finds it on the way
        cameras = [each for each in (drawn._2D_camera, drawn._3D_camera) if each._xlim is not None]
    if drawn is None:
        yield
        return
    for each in cameras:
        each._resetting = True  # as vispy has it where it takes a whole state from another camera
    draws = widget.updatesEnabled()
    widget.setUpdatesEnabled(False)
    try:
        yield
        _fit_into_window(widget)
        drawn.on_draw(None)  # which would come when it is drawn
    finally:
        for each in cameras:
            each._resetting = False
        box.camera.view_changed()
        widget.setUpdatesEnabled(draws)


@contextmanager
def arranged_once(viewer: ViewerModel) -> Iterator[None]:
    """Have napari arrange its scene once, at the end, whatever layers are shown, hidden, added and moved meanwhile.

    For each of these napari 0.9 goes through all layers and all that is drawn over them anew.
    """
    canvas: Any = None
    with suppress(
        AttributeError, RuntimeError
    ):  # there is no window, it is closed, or another napari arranges otherwise
        canvas = viewer.window._qt_viewer.canvas
        waits, arrange, arrange_what_is_left = (
            canvas._pause_scene_graph,
            canvas._update_scenegraph,
            canvas._clean_and_update_scenegraph,
        )
    if canvas is None or waits:
        yield
        return
    before, visible = list(viewer.layers), _arranged(viewer)
    canvas._pause_scene_graph = True
    try:
        yield
    finally:
        canvas._pause_scene_graph = False
        if any(layer not in viewer.layers for layer in before):
            arrange_what_is_left()
        elif _arranged(viewer) != visible:
            arrange()


def _arranged(viewer: ViewerModel) -> tuple[object, ...]:
    """Return what napari arranges the scene by."""
    grid = _grid(viewer)
    layers = tuple((id(layer), layer.visible) for layer in viewer.layers)
    return layers, grid.enabled, grid.stride, grid.shape


def put(viewer: ViewerModel, layer: Layer, at: int | None = None) -> None:
    """Put a layer into the list, on top where no place is given; what is selected stays.

    napari selects what comes, and makes and shows its controls: that, and going back, takes a third of the time.
    """
    layers: Any = viewer.layers
    before, selects = set(layers.selection), getattr(layers, "_activate_on_insert", None)
    if selects is not None:  # of napari's private parts: others are put back below
        layers._activate_on_insert = False
    try:
        layers.insert(len(layers) if at is None else at, layer)
    finally:
        if selects is not None:
            layers._activate_on_insert = selects
    if set(layers.selection) != before:
        layers.selection = before.intersection(layers)


@contextmanager
def drawn_at_the_end(viewer: ViewerModel) -> Iterator[None]:
    """Leave the canvas as it was drawn last, whatever changes meanwhile, and have it drawn once when all is done.

    Qt goes on to show what was drawn as long as nothing is drawn anew and the size stays: sliders that come or go would change
    it, and leave nothing to show.  Changes may overlap; the last to end has it drawn.
    """
    canvas: Any = None
    with suppress(AttributeError, RuntimeError):  # there is no window, or it is closed
        canvas = viewer.window._qt_viewer.canvas.native
        draw, bounds = (
            viewer.window._qt_viewer.canvas._scene_canvas.events.draw,
            (canvas.minimumSize(), canvas.maximumSize()),
        )
    if canvas is None:
        yield
        return
    free = canvas.minimumSize() != canvas.maximumSize()
    window = canvas.window()
    least, layout = window.minimumSize(), window.layout()
    by_layout = layout is not None and least == layout.totalMinimumSize()
    if free:
        window.setMinimumSize(1, 1)  # else it would grow by the sliders that come, and stay so
    canvas.setFixedSize(canvas.size())
    draw.block()
    try:
        yield
    finally:
        draw.unblock()
        with suppress(RuntimeError):  # it was closed in the meantime
            if free:
                canvas.setMinimumSize(bounds[0])
                canvas.setMaximumSize(bounds[1])
                _fit_into_window(canvas)
                window.setMinimumSize(*(0, 0) if by_layout else (least.width(), least.height()))
            canvas.update()


def _fit_into_window(widget: Any) -> None:
    """Give a widget the size that it will have once Qt gets round to it."""
    while (widget := widget.parentWidget()) is not None:
        if widget.layout() is not None:
            widget.layout().activate()
        elif hasattr(widget, "refresh"):  # a splitter, which knows of its own that way
            widget.refresh()


def looking(viewer: ViewerModel) -> tuple[np.ndarray, np.ndarray]:
    """Return where the camera looks, and which way is up on the canvas, as unit vectors along the displayed axes."""
    eye = camera(viewer)
    if hasattr(viewer, "scene"):
        return np.array(eye.view_direction), np.array(eye.up_direction)
    turned = _turned(eye)
    usual = Camera(angles=tuple(turned[::-1] * eye.angles))
    return turned * usual.view_direction, turned * usual.up_direction


def look(viewer: ViewerModel, direction: Sequence[float], up: Sequence[float]) -> None:
    """Turn the camera so that it looks along `direction`, and `up` points upwards on the canvas."""
    eye = camera(viewer)
    if hasattr(viewer, "scene"):
        eye.set_view_direction(tuple(direction), tuple(up))
        return
    turned, unit = _turned(eye), np.array(direction) / np.linalg.norm(direction)
    usual = Camera()
    usual.set_view_direction(tuple(turned * unit), tuple(turned * up))
    eye.angles = tuple(turned[::-1] * usual.angles)


def _turned(eye: Camera) -> np.ndarray:
    """Return −1 for each axis that is not drawn the usual way, else 1.

    Before napari 0.9 the camera's directions are those it would have if all were; what is drawn is mirrored along those that are
    not, and the signs of the angles about the axes change with it (in reverse order: those of the renderer are x, y, z).
    """
    return np.where(
        [way == usual for way, usual in zip(eye.orientation, Camera().orientation, strict=True)], 1, -1
    )


def picture(viewer: ViewerModel) -> np.ndarray:
    """Return what the canvas of a viewer's window shows, uint8 (rows, columns, 4)."""
    shoot: Callable[..., np.ndarray] = getattr(viewer, "screenshot")  # noqa: B009 # a model without a window has none
    return shoot(canvas_only=True, flash=False)


def name_axes(viewer: ViewerModel, labels: Sequence[str]) -> None:
    """Call the last axes of the viewer by the labels of the layer that is shown; napari 0.9 does so by itself."""
    if not hasattr(viewer.layers, "axis_labels"):
        viewer.dims.axis_labels = (*viewer.dims.axis_labels[: -len(labels)], *labels)
    with suppress(
        AttributeError, RuntimeError
    ):  # there is no window, it is closed, or this napari does so by itself
        viewer.window._qt_viewer.dims._resize_axis_labels()  # a longer name would be shown as three dots


def extent(viewer: ViewerModel, layers: Sequence[Layer]) -> np.ndarray:
    """Return where layers begin and end along every axis of the viewer; 0 along those that they lack."""
    world = np.asarray(viewer.layers.get_extent(layers).world)
    lacking = viewer.dims.ndim - world.shape[1]
    return np.pad(world, ((0, 0), (lacking, 0)))


def fit_to_view(viewer: ViewerModel, layers: Sequence[Layer]) -> None:
    """Move and zoom the camera so that these layers fill the canvas.

    By themselves the older versions fit all there are, and napari 0.9 fits none that have fewer axes than others in the list.
    """
    if hasattr(viewer, "canvas") and max(layer.ndim for layer in layers) == viewer.dims.ndim:
        viewer.fit_to_view(layers=layers)
        return
    low, high = extent(viewer, layers)[:, list(viewer.dims.displayed)]
    size = high - low
    if viewer.dims.ndisplay == 3:
        direction, up = looking(viewer)
        size = np.abs([up, np.cross(direction, up)]) @ size
    eye = camera(viewer)
    eye.center = tuple((low + high) / 2)
    eye.zoom = (1 - MARGIN) * float(np.min(np.array(canvas_size(viewer)) / np.where(size > 0, size, 1)))


def _grid(viewer: ViewerModel) -> Any:
    return viewer.canvas.grid if hasattr(viewer, "canvas") else viewer.grid


def show_beside(viewer: ViewerModel, views: int) -> Callable[[], None]:
    """Show visible layers that follow each other in the list side by side; return what undoes it.

    Before napari 0.9 hidden layers have a place too: with as many columns as layers are seen these have one each nevertheless.
    """
    grid = _grid(viewer)
    before = {
        name: getattr(grid, name) for name in ("enabled", "stride", "shape")
    }  # the first first: less is drawn anew
    height, width = canvas_size(viewer)
    grid.stride, grid.shape = 1, (1, views) if width > height else (views, 1)
    grid.enabled = True
    boxes = [each for each in surroundings(viewer)[1:-1] if getattr(each, "box", False)]
    for axes in boxes:  # they stand over the last view, whose title the box would darken
        axes.box = False

    def undo() -> None:
        for name, value in before.items():
            setattr(grid, name, value)
        for axes in boxes:
            axes.box = True

    return undo


def title_of(layer: Layer) -> Any:
    """Return what is written into the view of a layer that is not in the list yet, as a text of its own; or None.

    Where napari has no such text it writes the layer's name, in one line.
    """
    if not hasattr(layer, "name_overlay"):
        return None
    layer.name_overlay.visible = True
    with suppress(ImportError):  # nothing is drawn here, or another napari draws otherwise
        from .titles import Title

        layer._overlays["layer_name"] = title = Title(visible=True)
        return title
    return None


def has_window(viewer: ViewerModel) -> bool:
    """Whether a viewer has a window, or had one."""
    return hasattr(viewer, "window")


def is_open(viewer: ViewerModel) -> bool:
    """Whether the window of a viewer is still there; a viewer that has none is always open."""
    if not has_window(viewer):
        return True
    try:
        viewer.window._qt_window.objectName()
    except (AttributeError, RuntimeError):  # closed from Python, or by a person
        return False
    return True


def when_closed(viewer: ViewerModel, then: Callable[[], object]) -> None:
    """Call `then` when the window of a viewer is closed; a viewer that has none is never closed."""
    window = getattr(viewer, "window", None)
    if window is not None:
        window._qt_window.destroyed.connect(lambda _: then())


def where_files_are_dropped(viewer: ViewerModel) -> list[Any]:
    """Return the widgets on which files are dropped: what holds the canvas, and what welcomes there; none without a window."""
    window = getattr(viewer, "window", None)
    if window is None:
        return []
    holder = window._qt_viewer
    return [each for each in (holder, getattr(holder, "_welcome_widget", None)) if each is not None]


def strokes(layer: Layer) -> int:
    """Return how many strokes of the brush can be taken back in a Labels layer: napari tells nobody when one is."""
    return len(getattr(layer, "_undo_history", ()))


def say_status_anew(viewer: ViewerModel) -> None:
    """Have the status bar say what is under the cursor, as when that moves: a layer may be called otherwise than before."""
    viewer.cursor.events.position(value=viewer.cursor.position)


def free_where_it_is_drawn(viewer: ViewerModel) -> None:
    """Make the canvas's OpenGL context the current one, before a layer is removed.

    napari 0.9 frees what the layer had on the graphics card in whichever context is current: between two drawings that is the one
    in which Qt puts the window together.  Mesa's software renderer then draws the next layer from freed memory, and dies.
    """
    with suppress(AttributeError, RuntimeError):  # there is no window, or it is closing
        viewer.window._qt_viewer.canvas.native.makeCurrent()
