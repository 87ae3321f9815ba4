"""Install the wheel as a person would: through napari's plugin dialog, in a fresh environment, then use its menus.

    xvfb-run -a -s "-screen 0 1600x1000x24" python tools/plugin_dialog.py [FOLDER]

Builds the wheel, makes an environment that holds napari alone, installs the wheel through the dialog's entry line and button,
then, in a napari started anew, opens the docks and the samples from the menus and reconstructs one.  Prints what it saw;
screenshots go to FOLDER (build/plugin_dialog), which holds the environment too.  It takes minutes.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import venv
from collections.abc import Callable
from pathlib import Path

from packaging.version import Version
from tour import choose, pump

ROOT = Path(__file__).resolve().parents[1]
PINS = ROOT / "constraints.txt"
MINUTES = 15
DOCKS = ("Load scan", "Reconstruct", "Display")


def main(folder: Path) -> None:
    """Do everything, each part in an interpreter of its own."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, ROOT]
    subprocess.run(build, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = folder.glob("*.whl")
    print(f"built {wheel.name}, {wheel.stat().st_size / 1e6:.1f} MB")

    venv.create(folder / "venv", with_pip=True, clear=True)
    python = folder / "venv" / ("Scripts" if os.name == "nt" else "bin") / "python"
    pip = [python, "-m", "pip", "--quiet"]
    subprocess.run([*pip, "install", "-c", PINS, "napari[pyqt6]", "napari-plugin-manager"], check=True)
    before = _packages(python)
    print(f"made an environment of {len(before)} packages with napari {before['napari']}")

    # the pins stand for the newest versions of the day; the settings of the person who runs this are left alone
    environment = {**os.environ, "PIP_CONSTRAINT": str(PINS), "NAPARI_CONFIG": str(folder / "napari.yaml")}
    environment["NUMBA_CACHE_DIR"] = str(folder / "numba")
    for part, argument in (("install", wheel), ("use", folder)):
        subprocess.run(
            [python, __file__, f"--{part}", argument, folder], check=True, env=environment, cwd=folder
        )

    after = _packages(python)
    lost = sorted(set(before) - set(after))
    lower = [name for name in set(before) & set(after) if Version(after[name]) < Version(before[name])]
    assert not lost + lower, f"removed: {lost}, downgraded: {lower}"
    raised = [f"{name} to {after[name]}" for name in before if Version(after[name]) > Version(before[name])]
    added = sorted(set(after) - set(before))
    assert not [name for name in added if name.lower().startswith(("pyqt5", "pyside"))], added
    print(f"nothing was removed or downgraded; raised by dependencies: {', '.join(raised) or 'nothing'}")
    print(f"{len(added)} packages came: {', '.join(added)}")


def _packages(python: Path) -> dict[str, str]:
    listed = subprocess.run(
        [python, "-m", "pip", "list", "--format=freeze"], check=True, capture_output=True, text=True
    )
    return dict(line.split("==", 1) for line in listed.stdout.split())


def install(wheel: Path, folder: Path) -> None:
    """Type the wheel's path into the dialog of a running napari and press its button."""
    import napari
    from napari_plugin_manager.qt_plugin_dialog import QtPluginDialog
    from qtpy.QtCore import QTimer
    from qtpy.QtWidgets import QApplication

    viewer = napari.Viewer()
    dialog = QtPluginDialog(viewer.window._qt_window)
    dialog.show()
    results: list[dict] = []
    dialog.installer.processFinished.connect(results.append)
    dialog.direct_entry_edit.setText(str(wheel))
    begin = time.monotonic()
    dialog.direct_entry_btn.click()
    wait(lambda: bool(results), "the installer")
    log = dialog.stdout_text.toPlainText()
    assert results[0]["exit_code"] == 0, log
    dialog.grab().save(str(folder / "installed.png"))
    print(f"the dialog installed it in {time.monotonic() - begin:.0f} s: {log.strip().splitlines()[-1]}")
    # on closing, the dialog asks for a restart of napari and waits for the answer
    QTimer.singleShot(1000, lambda: QApplication.activeModalWidget().accept())
    dialog.close()
    viewer.close()


def use(_: Path, folder: Path) -> None:
    """In a napari started anew: the dialog lists the plugin, and its menu entries work."""
    import napari
    from napari_plugin_manager.qt_plugin_dialog import QtPluginDialog
    from qtpy.QtWidgets import QPushButton

    viewer = napari.Viewer()
    window = viewer.window._qt_window
    window.resize(1600, 1000)
    dialog = QtPluginDialog(window)
    dialog.show()
    wait(lambda: "napari-autophase" in dialog.installed_list.packages(), "the list of plugins")
    dialog.grab().save(str(folder / "listed.png"))
    dialog.close()
    print("the dialog lists napari-autophase")

    choose(window, "File", "Open Sample", "AutoPhase", "Strained")
    choose(window, "File", "Open Sample", "AutoPhase", "Faceted")
    wait(lambda: len(viewer.layers) >= 2, "the samples")
    print(f"samples opened: {', '.join(layer.name for layer in viewer.layers)}")
    for title in DOCKS:
        choose(window, "Plugins", "AutoPhase", title)
    docked = list(viewer.window.dock_widgets)
    assert all(any(title in name for name in docked) for title in DOCKS), docked
    print(f"docks opened: {', '.join(docked)}")

    button = next(each for each in window.findChildren(QPushButton) if each.text() == "Reconstruct")
    wait(button.isEnabled, "the button")
    button.click()
    wait(
        lambda: any("isosurface" in layer.name for layer in viewer.layers),
        "the crystal",
    )
    pump(2)
    window.grab().save(str(folder / "used.png"))
    print(f"Reconstruct made: {', '.join(layer.name for layer in viewer.layers)}")
    viewer.close()


def wait(done: Callable[[], bool], what: str) -> None:
    """Let the window live until `done`."""
    end = time.monotonic() + 60 * MINUTES
    while not done():
        assert time.monotonic() < end, f"waited {MINUTES} minutes for {what}"
        pump(0.05)


if __name__ == "__main__":
    parts = {"--install": install, "--use": use}
    if len(sys.argv) > 1 and sys.argv[1] in parts:
        parts[sys.argv[1]](Path(sys.argv[2]), Path(sys.argv[3]))
    else:
        main(Path(sys.argv[1] if len(sys.argv) > 1 else ROOT / "build" / "plugin_dialog").resolve())
