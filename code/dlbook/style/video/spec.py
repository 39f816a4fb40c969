"""The recorded comparison of films: the scene, and how its pictures are painted.

Source: Ruder, Dosovitskiy and Brox (2016), "Artistic style transfer for videos", GCPR; Lai et al. (2018), "Learning blind video
    temporal consistency", ECCV (the measure).
"""
from dataclasses import replace

from dlbook.style.fast.spec import SETTINGS as FAST
from dlbook.style.video.scene import Motion

GROUND, OTHER = "coffee", "cat"  # photos of `data.PHOTOS`
SIZE = 256  # side of the square of the ground that the camera passes over, pixels
DISC = 76  # side of the square out of whose middle the disc is cut
MOTION = Motion()  # live
SHORT = Motion(length=6, size=(96, 128), start=(40, 90), radius=26.0)  # painted step by step in the recorded run
SETTINGS = replace(FAST, steps=30)
# The squared difference of a pixel in [0, 1] is far smaller than the losses of the network's maps.
TEMPORAL_WEIGHTS = (0.0, 1e7, 1e8)
SHARES = (0.0, 0.3, 0.6, 0.9)  # of the painting before that one pass keeps, live
