"""The two windows in which every view must work."""

WIDE, PHONE = {"width": 1280, "height": 1000}, {"width": 390, "height": 844}
