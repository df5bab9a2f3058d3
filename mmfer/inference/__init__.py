"""From photos and videos to expressions with their uncertainty. Works without mmpretrain where the model is ONNX."""

from .results import FaceResult, ImageResult, score_interval

__all__ = ['ExpressionInferencer', 'FaceResult', 'ImageResult', 'score_interval']


def __getattr__(name: str):
    if name == 'ExpressionInferencer':
        from .inferencer import ExpressionInferencer

        return ExpressionInferencer
    raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
