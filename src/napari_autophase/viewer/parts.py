"""Small widgets that the docks share: a collapsible section, a file row, a headline button, a page that scrolls if it must."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from napari.utils.theme import get_theme
from qtpy.QtCore import QEvent, QObject, QSize, Qt, QTimer, Signal
from qtpy.QtGui import QDragEnterEvent, QDropEvent, QKeyEvent, QShowEvent
from qtpy.QtWidgets import (
    QFileDialog,
    QFormLayout,
    QFrame,
    QHBoxLayout,
    QLabel,
    QLineEdit,
    QProgressBar,
    QPushButton,
    QScrollArea,
    QSizePolicy,
    QToolButton,
    QVBoxLayout,
    QWidget,
)

from .warmup import engine

if TYPE_CHECKING:
    from napari.components import ViewerModel

DOCK_WIDTH = 372
"""Docks ask for this width, in pixels."""
DOCK_HEIGHT = 170
"""Docks on top of each other leave each this height, in pixels: the button that a page begins with can be reached."""
LABEL_WIDTH = 92
WARM_UP_AFTER_MS = 300
"""A dock has been drawn by then, and what it will need may be loaded."""
FILES = "Scans and results (*.npy *.npz *.mat *.tif *.tiff *.h5 *.hdf5 *.nxs *.cxi);;All files (*)"


class GoesWithItsDock(QObject):
    """Deletes a widget with the dock that held it.

    napari takes the widget out of a dock that is closed and leaves it to whoever may hold it; ours would listen and compute on,
    unseen.
    """

    def __init__(self, widget: QWidget) -> None:
        super().__init__(widget)
        widget.installEventFilter(self)

    def eventFilter(self, widget: QObject | None, event: QEvent | None) -> bool:
        """Delete the widget when nothing holds it any more."""
        moved = event is not None and event.type() == QEvent.Type.ParentChange
        if moved and widget is not None and widget.parent() is None:
            widget.deleteLater()
        return False


class Page(QScrollArea):
    """A dock's page: fills the width, and scrolls down only where the window is too low."""

    def __init__(self) -> None:
        super().__init__()
        GoesWithItsDock(self)
        self.setWidgetResizable(True)
        self.setFrameShape(QFrame.Shape.NoFrame)
        self.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        body = QWidget()
        self.column = QVBoxLayout(body)
        self.column.setContentsMargins(8, 8, 8, 8)
        self.column.setSpacing(8)
        self.setWidget(body)
        self._seen = QTimer(self)
        self._seen.setSingleShot(True)
        self._seen.setInterval(WARM_UP_AFTER_MS)
        self._seen.timeout.connect(engine.begin)

    def showEvent(self, event: QShowEvent | None) -> None:
        """Begin to load what will be needed, once this has been drawn."""
        super().showEvent(event)
        self._seen.start()

    def sizeHint(self) -> QSize:
        """Return the width that docks have, and the height of what they hold."""
        return QSize(DOCK_WIDTH, super().sizeHint().height())

    def minimumSizeHint(self) -> QSize:
        """Return the width below which something would be cut off, and the height for what a page begins with."""
        body = self.widget()
        if body is None:
            return super().minimumSizeHint()
        least = body.minimumSizeHint()
        return QSize(least.width(), min(least.height(), DOCK_HEIGHT))


class Section(QWidget):
    """A headline that folds its body away."""

    def __init__(self, title: str, *, is_open: bool = False) -> None:
        super().__init__()
        self.head = QToolButton()
        self.head.setText(f" {title}")
        self.head.setCheckable(True)
        self.head.setChecked(is_open)
        self.head.setToolButtonStyle(Qt.ToolButtonStyle.ToolButtonTextBesideIcon)
        self.head.setStyleSheet(
            "QToolButton { border: none; background: transparent; font-weight: bold; padding: 2px; }"
        )
        self.head.setSizePolicy(QSizePolicy.Policy.Expanding, QSizePolicy.Policy.Fixed)
        self.body = QWidget()
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(4)
        column.addWidget(self.head)
        column.addWidget(self.body)
        self.head.toggled.connect(self._fold)
        self._fold(is_open)

    def _fold(self, is_open: bool) -> None:
        self.head.setArrowType(Qt.ArrowType.DownArrow if is_open else Qt.ArrowType.RightArrow)
        self.body.setVisible(is_open)


def form(parent: QWidget | None = None) -> QFormLayout:
    """Return a form whose fields grow and whose labels align."""
    layout = QFormLayout(parent) if parent is not None else QFormLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setHorizontalSpacing(8)
    layout.setVerticalSpacing(4)
    layout.setFieldGrowthPolicy(QFormLayout.FieldGrowthPolicy.AllNonFixedFieldsGrow)
    layout.setLabelAlignment(Qt.AlignmentFlag.AlignLeft | Qt.AlignmentFlag.AlignVCenter)
    return layout


def row(*widgets: QWidget, stretch: int = 0) -> QHBoxLayout:
    """Return widgets side by side; the one at `stretch` takes the room."""
    layout = QHBoxLayout()
    layout.setContentsMargins(0, 0, 0, 0)
    layout.setSpacing(4)
    for index, widget in enumerate(widgets):
        layout.addWidget(widget, 1 if index == stretch else 0)
    return layout


def keep_place(*widgets: QWidget) -> None:
    """Let widgets take their room while they are hidden too, so that nothing moves when they appear."""
    for widget in widgets:
        policy = widget.sizePolicy()
        policy.setRetainSizeWhenHidden(True)
        widget.setSizePolicy(policy)


def caption(text: str, tip: str = "") -> QLabel:
    """Return the label of a field; all have one width, so that the fields of a dock align."""
    label = QLabel(text)
    label.setToolTip(tip)
    label.setMinimumWidth(LABEL_WIDTH)
    return label


class FileRow(QWidget):
    """A path: typed, chosen in a dialog, or dropped; `chosen` tells it on Enter, when the line is left, and when it is cleared.

    Parameters
    ----------
    placeholder
        What the empty line says.
    folders
        Offer a button for folders too.
    files
        Which files the dialog shows, as Qt's name filters.
    """

    chosen = Signal(str)

    def __init__(self, placeholder: str, *, folders: bool = False, files: str = FILES) -> None:
        super().__init__()
        self._files = files
        self.line = QLineEdit()
        self.line.setPlaceholderText(placeholder)
        self.line.setClearButtonEnabled(True)
        self.line.setAcceptDrops(False)  # a drop is a path here, not text in the middle of another
        self.setAcceptDrops(True)
        self._told = ""
        self.line.returnPressed.connect(lambda: self.choose(self.path))
        self.line.editingFinished.connect(self.settle)
        clear = self.line.findChild(QToolButton)
        assert clear is not None
        clear.clicked.connect(self.settle)
        buttons = [_small_button("File…", "Choose a file", self._ask_for_file)]
        if folders:
            buttons.append(_small_button("Folder…", "Choose a folder of TIFF frames", self._ask_for_folder))
        self.setLayout(row(self.line, *buttons))

    @property
    def path(self) -> str:
        """The path, or an empty string."""
        return self.line.text().strip()

    def choose(self, path: str) -> None:
        """Put `path` in and tell."""
        self.show_path(path)
        self.chosen.emit(path)

    def show_path(self, path: str) -> None:
        """Put `path` in, of which all know."""
        self._told = path
        self.line.setText(path)

    def settle(self) -> None:
        """Tell what the line says, if that was not told yet."""
        if self.path != self._told:
            self.choose(self.path)

    def _ask_for_file(self) -> None:
        path, _ = QFileDialog.getOpenFileName(self, "Choose a file", self.path, self._files)
        if path:
            self.choose(path)

    def _ask_for_folder(self) -> None:
        path = QFileDialog.getExistingDirectory(self, "Choose a folder of frames", self.path)
        if path:
            self.choose(path)

    def dragEnterEvent(self, event: QDragEnterEvent | None) -> None:
        """Take files."""
        if event is not None and dropped(event):
            event.acceptProposedAction()

    def dropEvent(self, event: QDropEvent | None) -> None:
        """Choose the first file that was dropped."""
        if event is not None and (paths := dropped(event)):
            self.choose(paths[0])


def dropped(event: QDropEvent) -> list[str]:
    """Return the paths of the files that are being dropped."""
    mime = event.mimeData()
    paths = [url.toLocalFile() for url in mime.urls()] if mime is not None else []
    return [path for path in paths if path]


def _small_button(text: str, tip: str, clicked: Callable[[], object]) -> QPushButton:
    button = QPushButton(text)
    button.setToolTip(tip)
    button.clicked.connect(clicked)
    return button


class ActivityBar(QProgressBar):
    """A thin bar that moves while something goes on; it keeps its place when it is still."""

    def __init__(self) -> None:
        super().__init__()
        self.setTextVisible(False)
        self.setFixedHeight(4)
        keep_place(self)
        self.rest()

    def work(self) -> None:
        """Move."""
        self.setRange(0, 0)
        self.show()

    def rest(self) -> None:
        """Be still."""
        self.setRange(0, 1)
        self.hide()


class Note(QLabel):
    """Text that wraps and can be selected; an error is marked by a bar in the theme's colour."""

    def __init__(self) -> None:
        super().__init__()
        self.setWordWrap(True)
        self.setTextInteractionFlags(Qt.TextInteractionFlag.TextSelectableByMouse)
        self.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Preferred)
        self.say("")

    def say(self, text: str, error: bool = False) -> None:
        """Show `text`; nothing is shown for an empty one."""
        colour = get_theme("dark").error.as_hex()
        self.setStyleSheet(
            f"QLabel {{ border-left: 3px solid {colour}; padding-left: 6px; }}" if error else ""
        )
        self.setText(text)
        self.setVisible(bool(text))


class Notes(Section):
    """Sentences that a person should read, each with a point; where there are many, folded away until they are asked for."""

    FEW = 3
    """So many stand open."""

    def __init__(self) -> None:
        super().__init__("Notes")
        self._sentences: tuple[str, ...] = ()
        self.words = Note()
        column = QVBoxLayout(self.body)
        column.setContentsMargins(0, 0, 0, 0)
        column.addWidget(self.words)
        self.say(())

    def text(self) -> str:
        """Return the sentences, a line each."""
        return "\n".join(self._sentences)

    def say(self, sentences: Iterable[str]) -> None:
        """Show these; nothing is shown where there are none."""
        before, self._sentences = self._sentences, tuple(sentences)
        count = len(self._sentences)
        self.head.setText(f" {count} notes" if count != 1 else " A note")
        self.words.say("\n".join(f"•  {sentence}" for sentence in self._sentences))
        self.setVisible(count > 0)
        if self._sentences != before:  # what a person has opened stays open while nothing changes
            self.head.setChecked(count <= self.FEW)


class PrimaryButton(QPushButton):
    """The one button that a dock is about."""

    def __init__(self, text: str, viewer: ViewerModel) -> None:
        super().__init__(text)
        self.setMinimumHeight(40)
        self._viewer = viewer
        viewer.events.theme.connect(self._paint)
        self._paint()

    def keyPressEvent(self, event: QKeyEvent | None) -> None:
        """Be pressed by Return too."""
        if event is not None and event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter):
            self.click()
        else:
            super().keyPressEvent(event)

    def _paint(self) -> None:
        theme = get_theme(self._viewer.theme)
        self.setStyleSheet(
            f"QPushButton {{ background: {theme.current.as_hex()}; font-weight: bold; border-radius: 4px; }}"
            f"QPushButton:hover {{ background: {theme.secondary.as_hex()}; }}"
            f"QPushButton:focus {{ border: 2px solid {theme.text.as_hex()}; }}"
            f"QPushButton:disabled {{ background: {theme.foreground.as_hex()}; border: none; }}"
        )


class SampleButton(QPushButton):
    """Opens a crystal that ships with the plugin, for those who have no scan at hand."""

    def __init__(self, viewer: ViewerModel) -> None:
        super().__init__("Open the sample crystal")
        self.setToolTip(
            "A simulated scan of 64 × 64 × 64 voxels; File > Open Sample > AutoPhase has another."
        )
        self.clicked.connect(lambda: viewer.open_sample("napari-autophase", "faceted"))
