"""ferplus_small.py again from new weights, with the answers of a trained model mixed into the votes (born again).

Expected: docs/model_card.md.
Labels: those of ferplus_small.py.
Needs: data/ferplus (docs/datasets.md), and the best checkpoint of ferplus_small_refit.py as the teacher.
Command: mmfer train poster_var/ferplus_small_distilled --cfg-options model.data_preprocessor.teachers.0.checkpoint=CKPT
"""

from mmengine.config import read_base

from mmfer.models import TeacherPreprocessor

with read_base():
    from .ferplus_small import *

model.data_preprocessor.update(
    type=TeacherPreprocessor,
    teachers=[
        dict(
            config='poster_var/ferplus_small_refit',
            checkpoint='work_dirs/ferplus_small_refit/best_accuracy_epoch_9.pth',
        )
    ],
    weight=0.5,
)
