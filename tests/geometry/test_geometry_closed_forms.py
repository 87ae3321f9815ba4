"""The rocking step in the closed forms that people derive by hand for one beamline at a time.

δ is the step, i and o the in-plane and out-of-plane angles of the arm; everything stands in units of k δ, at the pixel that
the arm points to.
"""

from __future__ import annotations

import numpy as np
import pytest

from napari_autophase.geometry import Geometry, arm_vector, reciprocal_steps

IN_PLANE, OUT_OF_PLANE = 23.0, 14.0
si, ci, so, co = (f(np.radians(angle)) for angle in (IN_PLANE, OUT_OF_PLANE) for f in (np.sin, np.cos))


def trig(angle: float) -> tuple[float, float]:
    return np.sin(np.radians(angle)), np.cos(np.radians(angle))


def alone_out_of_plane():
    return (0, 1 - ci * co, so)


def om_under_mu(mu):
    s, c = trig(mu)
    return (s * so, c * (1 - ci * co) - s * co * si, c * so)


def theta():
    return (1 - ci * co, 0, si * co)


def phi_under_theta_chi(th, chi):
    (st, ct), (sx, cx) = trig(th), trig(chi)
    return (
        cx * (1 - ci * co) - st * sx * so,
        sx * (ct * (ci * co - 1) + st * si * co),
        cx * si * co - sx * ct * so,
    )


def phi_under_eta(eta):
    s, c = trig(eta)
    return (s * so + c * (ci * co - 1), s * si * co, c * si * co)


def phi_under_omega(om):
    s, c = trig(om)
    return (-s * so - c * (ci * co - 1), s * si * co, c * si * co)


def phi_under_om_chi(om, chi):
    (s, c), (sx, cx) = trig(om), trig(chi)
    return (
        cx * (s * so + c * (ci * co - 1)),
        -s * cx * si * co + sx * (ci * co - 1),
        -c * cx * si * co - sx * so,
    )


def mu_under_beta(beta):
    s, c = trig(beta)
    return (c - ci * co, s * si * co, c * si * co)


UP, DOWN = ("y+", "x-"), ("y-", "x-")
FORMS = [
    (("x-",), (0.0,), 0, UP, (IN_PLANE, OUT_OF_PLANE), alone_out_of_plane()),
    (("x-",), (17.0,), 0, DOWN, (IN_PLANE, OUT_OF_PLANE), alone_out_of_plane()),
    (("y+", "x-"), (11.0, 5.0), 1, UP, (IN_PLANE, OUT_OF_PLANE), om_under_mu(11.0)),
    (("y+", "z-", "y+"), (8.0, 70.0, 3.0), 0, UP, (IN_PLANE, OUT_OF_PLANE), theta()),
    (("y+", "z-", "y+"), (8.0, 70.0, 3.0), 2, UP, (IN_PLANE, OUT_OF_PLANE), phi_under_theta_chi(8.0, 70.0)),
    (("x-", "y-"), (19.0, 4.0), 1, DOWN, (IN_PLANE, OUT_OF_PLANE), phi_under_eta(19.0)),
    (("x-", "y+"), (19.0, 4.0), 1, UP, (IN_PLANE, OUT_OF_PLANE), phi_under_omega(19.0)),
    (("x-", "z+", "y-"), (12.0, 33.0, 4.0), 2, UP, (IN_PLANE, OUT_OF_PLANE), phi_under_om_chi(12.0, 33.0)),
    (("x-", "y+"), (6.0, 4.0), 1, ("x-", "y+", "x-"), (6.0, IN_PLANE, OUT_OF_PLANE), mu_under_beta(6.0)),
]


@pytest.mark.parametrize(("sample", "angles", "circle", "circles", "arm", "expected"), FORMS)
def test_the_rocking_step_is_the_one_derived_by_hand(sample, angles, circle, circles, arm, expected):
    geometry = Geometry(
        energy_kev=9.0,
        distance_m=1.0,
        pixel_size_um=(55.0, 55.0),
        rocking_step_deg=0.01,
        sample_circles=sample,
        sample_angles_deg=angles,
        rocking_circle=circle,
        detector_circles=circles,
        detector_angles_deg=arm,
        direct_beam_pixel=(7.0, 9.0),
    )
    k = 2 * np.pi / geometry.wavelength_nm
    found = reciprocal_steps(geometry, (0, 7.0, 9.0), (20, 20, 20))[:, 0]
    assert found / (k * np.radians(0.01)) == pytest.approx(np.array(expected), abs=1e-12)


@pytest.mark.parametrize(("circles", "sense"), [(UP, 1), (DOWN, -1)])
def test_the_arm_points_where_its_angles_say(circles, sense):
    geometry = Geometry(9.0, 1.0, (55.0, 55.0), 0.01, (IN_PLANE, OUT_OF_PLANE), detector_circles=circles)
    k = 2 * np.pi / geometry.wavelength_nm
    assert arm_vector(geometry) / k == pytest.approx([sense * co * si, so, ci * co - 1])


def test_an_energy_scan_steps_along_q_and_an_arm_that_follows_takes_its_part_away():
    """With the arm at the Bragg angle of each energy the plane spacing stays, and with it the length of q."""
    energy, step, spacing = 8.5, 0.002, 0.2265
    half = [np.arcsin(1.239841984 / (2 * spacing * (energy + n * step))) for n in (-0.5, 0.5)]
    angle = np.degrees(2 * np.arcsin(1.239841984 / (2 * spacing * energy)))
    still = Geometry(
        energy, 1.0, (55.0, 55.0), 0.0, (0.0, angle), energy_step_kev=step, direct_beam_pixel=(9.0, 9.0)
    )
    q = arm_vector(still)
    assert reciprocal_steps(still, (0, 9.0, 9.0), (20, 20, 20))[:, 0] == pytest.approx(q * step / energy)
    following = Geometry(
        **{**vars(still), "detector_steps_deg": (0.0, float(np.degrees(2 * (half[1] - half[0]))))}
    )
    moved = reciprocal_steps(following, (0, 9.0, 9.0), (20, 20, 20))[:, 0]
    assert moved @ q / np.linalg.norm(q) == pytest.approx(0, abs=1e-6 * np.linalg.norm(q))
    assert np.linalg.norm(moved) > 1e-4
