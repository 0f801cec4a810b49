"""The 68 vertices of the subdivided skin that stand for the iBUG-68 landmarks, in their order.

Found by train/checkpoints/fit_landmarks.py: on 200 drawn faces they stay nearest to what the mesh detector sees.
"""

import numpy as np

LANDMARK_VERTICES = np.array([
    10076, 6505, 16869, 9000, 6589, 2032, 16938, 9090, 8863, 14051, 19420, 4500, 11615, 13963, 19353, 11531,
    15029, 17125, 5471, 224, 5401, 208, 2790, 10481, 2805, 10548, 19606, 5277, 131, 5512, 5492, 5630, 5557,
    312, 10629, 10698, 7047, 7050, 15913, 15932, 7006, 16978, 18421, 18402, 12051, 12046, 19460, 12005, 5720,
    17082, 15389, 5855, 17884, 19563, 10788, 3046, 3052, 6206, 490, 484, 5731, 5824, 468, 10890, 10797, 3086,
    540, 534,
])  # fmt: skip
