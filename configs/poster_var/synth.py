"""A tiny POSTER-Var on SynthFER, the data set that needs no files.

Expected: 84.85 +- 0.18 % accuracy over seeds 0, 1, 2, of which 0 has 84.65 % (README.md); Bayes-optimal 93.00 %.
Labels: neutral, happiness, sadness, surprise, fear, disgust, anger; majority of ten simulated votes.
Command: mmfer train poster_var/synth
"""

from mmengine.config import read_base

with read_base():
    from .._base_.datasets.synth_fer import *
    from .._base_.default_runtime import *
    from .._base_.models.poster_var_tiny import *
    from .._base_.schedules.tiny import *
