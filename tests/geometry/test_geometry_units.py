"""Units as files and people spell them."""

from __future__ import annotations

import pytest

from napari_autophase.geometry.units import DEGREES, KEV, METRES, plain, quantity_in, restated


@pytest.mark.parametrize(
    ("units", "spellings"),
    [
        (METRES, {"metre": 1, "Meters": 1, "MM": 1e-3, "millimetres": 1e-3, "µm": 1e-6, "microns": 1e-6, "micro meter": 1e-6,
                  "Ångström": 1e-10, "\u212b": 1e-10, "Angstroms": 1e-10, "nanometers": 1e-9, "pm": 1e-12}),
        (KEV, {"KeV": 1, "electronvolt": 1e-3, "electron_volts": 1e-3, "kilo-electron-volt": 1, "GeV": 1e6, "MeV": 1e3}),
        (DEGREES, {"°": 1, "Degrees": 1, "millidegrees": 1e-3, "radian": 57.29577951308232, "mrad": 0.057295779513}),
    ],
)  # fmt: skip
def test_units_have_many_names(units, spellings):
    for spelling, size in spellings.items():
        assert units[plain(spelling)] == pytest.approx(size)


@pytest.mark.parametrize("unit", ["ms", "s", "counts", "furlong", "kg", "", "kms"])
def test_others_are_none(unit):
    assert not any(plain(unit) in units for units in (METRES, KEV, DEGREES))


def test_numbers_with_units_in_texts():
    assert quantity_in(" 9.0 keV ") == (9.0, "keV")
    assert quantity_in("-1e-3m") == (-0.001, "m")
    assert quantity_in("17.5°") == (17.5, "°")
    assert quantity_in("850") == (850.0, "")
    assert quantity_in("0,85 m") is quantity_in("1.5.2") is quantity_in("m") is None
    assert restated(9000, "eV", "keV") == pytest.approx(9)
    assert restated(1.0, "m", "keV") is None
