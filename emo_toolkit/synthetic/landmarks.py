"""The 68 vertices of the subdivided skin that stand for the iBUG-68 landmarks, in their order.

Found by train/checkpoints/fit_landmarks.py: on 300 drawn faces they stay nearest to what the mesh detector sees.
"""

import numpy as np

LANDMARK_VERTICES = np.array([
    9926, 16963, 1995, 5735, 9349, 2032, 16938, 9330, 9241, 14174, 19420, 4500, 14193, 10908, 4465, 19445,
    14744, 17125, 5615, 224, 5568, 208, 2790, 10761, 2805, 10805, 19606, 5406, 131, 201, 5807, 5919, 5851, 312,
    11004, 11066, 5101, 7544, 15913, 15932, 10259, 16978, 18421, 18402, 12474, 10323, 19460, 15077, 6054,
    17082, 6168, 6182, 11311, 19563, 11197, 3046, 3052, 6268, 490, 484, 15350, 15378, 6211, 17873, 17845, 3086,
    540, 534,
])  # fmt: skip
