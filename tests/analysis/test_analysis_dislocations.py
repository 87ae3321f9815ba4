"""Dislocations of known b in a sheared geometry: where the line runs, how the phase winds, what is left of the strain."""

from __future__ import annotations

import csv
import io

import numpy as np
import pytest

from napari_autophase.analysis.dislocations import find_dislocations, near_lines, table
from napari_autophase.analysis.strain import phase_steps, strain

STEPS = np.array([[0.4, 0.5, 7.1], [0.9, 7.4, -0.6], [8.0, 0.8, 0.7]])
LEFT_HANDED = STEPS[:, [1, 0, 2]]
SHAPE = (34, 32, 30)
RADIUS = 95.0
A_NM = 0.392
BURGERS = A_NM / 2 * np.array([1.0, 1.0, 0.0])
"""½[110] of a cubic crystal whose axes are those of the laboratory."""
ORIGIN = np.array([9.0, -14.0, 11.0])
POISSON = 0.39


def reflection(h: int, k: int, m: int) -> np.ndarray:
    return 2 * np.pi / A_NM * np.array([h, k, m], float)


def place(steps: np.ndarray, shape=SHAPE) -> np.ndarray:
    index = np.indices(shape) - np.array(shape)[:, None, None, None] // 2
    return np.tensordot(steps, index, 1)


def displaced(steps: np.ndarray, line: np.ndarray, burgers: np.ndarray) -> np.ndarray:
    """u (3, ...) of a straight dislocation along `line` through ORIGIN: b = ∮du by the right-hand rule (Hirth and Lothe)."""
    line = line / np.linalg.norm(line)
    screw = (burgers @ line) * line
    edge = burgers - screw
    r = place(steps) - ORIGIN[:, None, None, None]
    across = edge if np.linalg.norm(edge) > 1e-9 else np.cross(line, [0.3, 0.5, 0.8])
    x_axis = across / np.linalg.norm(across)
    y_axis = np.cross(line, x_axis)
    x, y = (np.tensordot(axis, r, 1) for axis in (x_axis, y_axis))
    squared = np.maximum(x**2 + y**2, 1e-3)
    angle = np.arctan2(y, x)
    size = np.linalg.norm(edge)
    u_x = size / (2 * np.pi) * (angle + x * y / (2 * (1 - POISSON) * squared))
    u_y = (
        -size
        / (2 * np.pi)
        * (
            (1 - 2 * POISSON) / (4 * (1 - POISSON)) * np.log(squared)
            + (x**2 - y**2) / (4 * (1 - POISSON) * squared)
        )
    )
    found = np.multiply.outer(x_axis, u_x) + np.multiply.outer(y_axis, u_y)
    return found + np.multiply.outer(screw, angle / (2 * np.pi))


def crystal(steps: np.ndarray, q: np.ndarray, u: np.ndarray):
    inside = np.linalg.norm(place(steps), axis=0) < RADIUS
    made = inside * np.exp(-1j * np.tensordot(q, u, 1))
    return made, inside


CASES = {
    "screw": (np.array([1.0, 1.0, 0.0]), (2, 0, 0), 1),
    "edge": (np.array([1.0, -1.0, 2.0]), (2, 0, 0), 1),
    "mixed, the other way": (np.array([-1.0, 0.4, 0.9]), (-2, 0, 0), -1),
    "two turns": (np.array([1.0, -1.0, 2.0]), (2, 2, 0), 2),
}


@pytest.mark.parametrize("steps", [STEPS, LEFT_HANDED], ids=["right-handed grid", "left-handed grid"])
@pytest.mark.parametrize("case", CASES)
def test_the_line_is_found_with_its_burgers_vector_along_q(case, steps):
    line, hkl, turns = CASES[case]
    q = reflection(*hkl)
    assert q @ BURGERS / (2 * np.pi) == pytest.approx(turns)
    made, inside = crystal(steps, q, displaced(steps, line, BURGERS))
    found = find_dislocations(phase_steps(made), inside, np.abs(made), steps, q)
    along = line / np.linalg.norm(line)
    assert len(found) == abs(turns)
    chord = 2 * np.sqrt(RADIUS**2 - np.linalg.norm(np.cross(ORIGIN, along)) ** 2)
    for each in found:
        assert not each.closed
        # the right way round: Q·b is positive along a line that runs with the given one, if it is
        assert each.direction @ along * np.sign(turns) > 0.98
        apart = np.linalg.norm(np.cross(each.points - ORIGIN, along), axis=1)
        assert np.sqrt(np.mean(apart**2)) < (7.5 if abs(turns) == 1 else 12)
        assert each.length == pytest.approx(chord, rel=0.25)
        expected = np.degrees(np.arccos(abs(along @ q) / np.linalg.norm(q)))
        assert each.angle_to_q_deg == pytest.approx(expected, abs=10)


def test_a_line_that_q_does_not_see_is_not_found():
    """Q·b = 0, and for a screw Q·u = 0 everywhere."""
    q = reflection(2, -2, 0)
    made, inside = crystal(STEPS, q, displaced(STEPS, np.array([1.0, 1.0, 0.0]), BURGERS))
    assert find_dislocations(phase_steps(made), inside, np.abs(made), STEPS, q) == []


def test_a_smooth_crystal_has_none_however_strained():
    x, y, z = place(STEPS)
    q = reflection(1, 1, 1)
    made = (np.linalg.norm(place(STEPS), axis=0) < RADIUS) * np.exp(
        6j * np.sin(x / 40) * np.cos(y / 50 + z / 60)
    )
    assert find_dislocations(phase_steps(made), np.abs(made) > 0, np.abs(made), STEPS, q) == []


def test_a_loop_is_closed():
    """A phase that winds around a ring in the x-y plane: the argument of (ρ − R) + i z, with ρ = √(x² + y²)."""
    x, y, z = place(STEPS)
    made = (np.linalg.norm(place(STEPS), axis=0) < RADIUS) * np.exp(1j * np.arctan2(z, np.hypot(x, y) - 50))
    (found,) = find_dislocations(
        phase_steps(made), np.abs(made) > 0, np.abs(made), STEPS, np.array([0.0, 0, 20])
    )
    assert found.closed
    assert found.length == pytest.approx(2 * np.pi * 50, rel=0.3)
    assert abs(found.direction[2]) > 0.98
    np.testing.assert_allclose(np.hypot(found.points[:, 0], found.points[:, 1]), 50, atol=8)


def test_strain_beside_a_screw_is_right_once_its_core_is_left_out():
    """ε = Q̂·∇(Q̂·u) of a screw: b_Q/(2π ρ) times the component of Q̂ along the tangent of the circles around it."""
    line, q = np.array([1.0, 1.0, 0.0]) / np.sqrt(2), reflection(2, 0, 0)
    made, inside = crystal(STEPS, q, displaced(STEPS, line, BURGERS))
    lines = find_dislocations(phase_steps(made), inside, np.abs(made), STEPS, q)
    core = near_lines(lines, SHAPE, STEPS, 2.5 * 8)
    r = place(STEPS) - ORIGIN[:, None, None, None]
    flat = r - np.multiply.outer(line, np.tensordot(line, r, 1))
    rho = np.linalg.norm(flat, axis=0)
    assert core[inside & (rho < 8)].mean() > 0.95
    assert not core[rho > 4 * 8].any()
    along = q / np.linalg.norm(q)
    tangent = np.cross(line, flat, axisb=0) / np.maximum(rho, 1e-9)[..., None]
    expected = (BURGERS @ along) / (2 * np.pi * np.maximum(rho, 1e-9)) * (tangent @ along)
    deep = np.linalg.norm(place(STEPS), axis=0) < RADIUS - 16
    kept = deep & ~core
    got = strain(made, inside, STEPS, q)
    assert np.corrcoef(got[kept], expected[kept])[0, 1] > 0.995
    assert np.abs(got - expected)[kept].max() < 0.12 * np.abs(expected[kept]).max()


def test_the_table_has_a_row_for_every_point():
    q = reflection(2, 0, 0)
    made, inside = crystal(STEPS, q, displaced(STEPS, np.array([1.0, -1.0, 2.0]), BURGERS))
    lines = find_dislocations(phase_steps(made), inside, np.abs(made), STEPS, q)
    rows = list(csv.DictReader(io.StringIO(table(lines))))
    assert len(rows) == sum(len(each.points) for each in lines)
    assert float(rows[0]["x_nm"]) == pytest.approx(lines[0].points[0, 0], rel=1e-4)
    assert {row["q_dot_b_over_2pi"] for row in rows} == {"1"}


def test_noise_is_no_dislocation_where_there_is_amplitude():
    rng = np.random.default_rng(4)
    inside = np.linalg.norm(place(STEPS), axis=0) < RADIUS
    made = inside * (1 + 0.15 * (rng.normal(size=SHAPE) + 1j * rng.normal(size=SHAPE)))
    assert find_dislocations(phase_steps(made), inside, np.abs(made), STEPS) == []
