"""An image of somebody else: what it holds, so that it can be a scan with a geometry, or a crystal in nm."""

from __future__ import annotations

from napari.layers import Layer
from napari.utils.notifications import show_error
from qtpy.QtWidgets import QPushButton

from ...scan import InputError
from ..model.scan.foreign import Holds, Meaning
from ..model.session import Session
from ..widgets.box import Box
from ..widgets.layout import caption, form
from ..widgets.listening import listen
from ..widgets.narrow import Combo
from ..widgets.notes import Note
from ..widgets.words import in_window

_HOLDS: dict[Holds, str] = {
    "": "counts, or what is recognised",
    "counts": "photon counts",
    "amplitudes": "amplitudes (roots of counts)",
    "scaled": "counts times a factor",
    "crystal": "a crystal: its amplitude",
}


class ImageSection(Box):
    """What the chosen image holds, and the button that makes it a scan or a result; hidden while no image is chosen.

    Parameters
    ----------
    session
        Of the viewer.
    """

    def __init__(self, session: Session) -> None:
        super().__init__("This image", "guide/files.md#In")
        self._session = session
        self._phases: list[Layer] = []
        self.about = Note()
        self.holds = Combo()
        for word, text in _HOLDS.items():
            self.holds.addItem(text, word)
        self.holds.setToolTip(
            "What the image's numbers are.  A scan is phased; a crystal in direct space is shown as it is."
        )
        self.phase = Combo()
        self.phase.setToolTip("The image that holds the crystal's phase in rad.")
        self.phase_label = caption("Phase", self.phase.toolTip())
        self.use = QPushButton()
        self.refused = Note()
        rows = form(self)
        rows.setContentsMargins(8, 10, 8, 8)
        rows.addRow(self.about)
        rows.addRow(caption("It holds", self.holds.toolTip()), self.holds)
        rows.addRow(self.phase_label, self.phase)
        rows.addRow(self.use)
        rows.addRow(self.refused)
        self.holds.activated.connect(lambda _: self._say())
        self.phase.activated.connect(lambda _: self._say())
        self.use.clicked.connect(self._use)
        listen(self, (session.scan_changed, self.follow), (session.choices_changed, self.follow))
        self.follow()

    def follow(self) -> None:
        """Show what was said of the image that is chosen now."""
        image = self._session.current
        self.setVisible(isinstance(image, Layer))
        if not isinstance(image, Layer):
            return
        meaning = self._session.images.meaning_of(image)
        images = (choice for _, choice in self._session.choices if isinstance(choice, Layer))
        self._phases = [layer for layer in images if layer is not image]
        self.phase.clear()
        self.phase.addItems(["none: real", *(layer.name for layer in self._phases)])
        at = self._phases.index(meaning.phase) + 1 if meaning.phase in self._phases else 0
        self.phase.setCurrentIndex(at)
        self.holds.setCurrentIndex(self.holds.findData(meaning.holds))
        crystal = meaning.holds == "crystal"
        self.phase_label.setVisible(crystal)
        self.phase.setVisible(crystal)
        self.use.setText("Show as a crystal" if crystal else "Use as a scan")
        self.use.setToolTip(
            "Show the crystal; its geometry is given in the Display panel."
            if crystal
            else "Make a scan of it, to which a geometry, a mask and a crop can be given here; the image stays as it is."
        )
        size = " × ".join(map(str, image.data.shape))
        self.about.say(f"{image.name}, {size}, was not opened by AutoPhase: say what it holds.")
        self.refused.say("")

    def _say(self) -> None:
        image, at = self._session.current, self.phase.currentIndex()
        if isinstance(image, Layer):
            phase = self._phases[at - 1] if at > 0 else None
            self._session.images.say(image, Meaning(self.holds.currentData(), phase))
            self.follow()

    def _use(self) -> None:
        session, image = self._session, self._session.current
        if not isinstance(image, Layer):
            return
        meaning = session.images.meaning_of(image)
        try:
            if meaning.holds != "crystal":
                session.settled_scan()
                return
            found = session.images.crystal(image)
            if meaning.phase is not None:
                meaning.phase.visible = False
            session.add_result(found)
        except InputError as error:
            self.refused.say(str(error), error=True)
            show_error(in_window(str(error)))
