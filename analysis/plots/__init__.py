"""Frames to figures.

palette.py   colours and markers that differ for every eye
canvas.py    size, style and axes of a plot
figures.py   all plots; the metric against a knob
curves.py    the metric while training
slopes.py    each seed from the baseline to an arm
maps.py      plots over two knobs, and quality against cost
sheet.py     what the students of all arms draw
"""
