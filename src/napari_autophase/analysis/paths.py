"""How far light goes inside a crystal: from each voxel along a direction, on a sheared grid."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from .isosurface import bounding_box


def path_lengths(
    inside: np.ndarray, around: np.ndarray, voxel_steps_nm: np.ndarray, direction: np.ndarray
) -> np.ndarray:
    """Return the length of all that lies inside a crystal on the way from each voxel along a direction.

    The planes across the array's axis that the direction follows most are moved against each other until the way is straight
    along that axis; sums along it are lengths, and go back the same way.

    Parameters
    ----------
    inside, around
        bool (N0, N1, N2): the crystal, and from where its lengths are wanted.
    voxel_steps_nm
        3 × 3, columns = steps in nm along the array's axes, orthogonal or not.
    direction
        (3,), in the frame of the steps; its length does not matter.

    Returns
    -------
    float32, the shape of `inside`
        In nm, in the box about both; 0 beyond.
    """
    found = np.zeros(inside.shape, np.float32)
    if not inside.any():
        return found
    box = bounding_box(inside | around)
    unit = np.asarray(direction, float) / np.linalg.norm(direction)
    way = np.linalg.solve(np.asarray(voxel_steps_nm, float), unit)  # voxels per nm
    axis = int(np.abs(way).argmax())
    planes = np.moveaxis(inside[box], axis, 0).astype(np.float32)
    across = np.delete(way, axis) / abs(way[axis])
    if way[axis] < 0:
        planes = planes[::-1]
    # plane i is moved by −i·across, so that the way from it goes straight on
    drift = -np.arange(len(planes))[:, None] * across
    room = [(int(np.ceil(-min(d.min(), 0))), int(np.ceil(max(d.max(), 0)))) for d in drift.T]
    padded = np.pad(planes, [(0, 0), *room])
    straight = np.stack([ndimage.shift(plane, by, order=1) for plane, by in zip(padded, drift, strict=True)])
    # all that follows, and half of the voxel itself
    ahead = straight[::-1].cumsum(0)[::-1] - straight / 2
    back = np.stack(
        [ndimage.shift(plane, -by, order=1, mode="nearest") for plane, by in zip(ahead, drift, strict=True)]
    )
    lengths = back[
        :, *(slice(first, first + n) for (first, _), n in zip(room, planes.shape[1:], strict=True))
    ]
    if way[axis] < 0:
        lengths = lengths[::-1]
    found[box] = np.moveaxis(lengths / abs(way[axis]), 0, axis)
    return found
