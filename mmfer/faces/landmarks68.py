"""The 68 landmarks of MobileFaceNet, the network whose maps POSTER and its successors look at.

Weights and training: https://github.com/cunjian/pytorch_face_landmark
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from mmfer.structures.results import Face

from .alignment import arcface_template, estimate_similarity, warp_similarity
from .cropping import check_image, check_margin, crop_region

SIZE = 112
NUM_POINTS = 68


class Landmarks68:
    """Finds 68 landmarks of each face: jaw 0-16, brows 17-26, nose 27-35, eyes 36-47, mouth 48-67.

    The network is :class:`mmfer.models.MobileFaceNet` with its landmark output. It sees a square crop around the
    centre of the face's box, RGB in [0, 1] without mean and deviation, at 112 pixels, and returns points (x, y) in
    [0, 1] of it. Where the detector told five landmarks, the crop is turned so that the face is upright in it.

    Args:
        checkpoint: The released ``mobilefacenet_model_best.pth.tar``, or the same weights as .safetensors.
        margin: Of the crop around the box, see :func:`mmfer.faces.cropping.crop_face`. The default suits YuNet's.
        batch_size: Faces that go through the network at once.
        device: Where it runs.

    Raises:
        FileNotFoundError: There is no such checkpoint.
        CheckpointError: It is damaged or of another network; a ValueError.
    """

    def __init__(self, checkpoint: str | Path, margin: float = 0.0, batch_size: int = 32, device: str = 'cpu') -> None:
        import torch

        from mmfer.models.backbones.mobile_face_net import MobileFaceNet
        from mmfer.models.released.weights import load_pretrained

        path = Path(checkpoint).expanduser()
        if not path.is_file():
            raise FileNotFoundError(
                f'the weights of the 68 landmarks are not there: {path}. What is wanted is '
                'mobilefacenet_model_best.pth.tar from https://github.com/cunjian/pytorch_face_landmark'
            )
        if batch_size < 1:
            raise ValueError(f'Landmarks68: batch_size={batch_size!r} must be at least 1')
        self.margin = check_margin(margin)
        self.batch_size = int(batch_size)
        self.device = torch.device(device)
        self.network = MobileFaceNet(out_indices=(), with_landmarks=True)
        load_pretrained(self.network, path)
        self.network.eval().requires_grad_(False).to(self.device)

    def __call__(self, img: np.ndarray, faces: Sequence[Face | Sequence[float]]) -> np.ndarray:
        """Landmarks of the faces of one image.

        Args:
            img: uint8 BGR (H, W, 3).
            faces: N faces, or their boxes (x1, y1, x2, y2) in pixels; those of boxes alone should be upright.

        Returns:
            np.ndarray: (N, 68, 2) float32, (x, y) in pixels of ``img``.

        Raises:
            ValueError: ``img`` is no such array, or a box is no box in it.
        """
        img = check_image(img, 'Landmarks68')
        matrices = [self._matrix(img, face) for face in faces]
        points = np.empty((len(matrices), NUM_POINTS, 2), np.float32)
        for start in range(0, len(matrices), self.batch_size):
            chosen = matrices[start : start + self.batch_size]
            for place, found, matrix in zip(points[start:], self._points(img, chosen) * SIZE, chosen):
                back = cv2.invertAffineTransform(matrix)
                place[:] = found @ back[:, :2].T + back[:, 2]
        return points

    def _matrix(self, img: np.ndarray, face: Face | Sequence[float]) -> np.ndarray:
        """(2, 3), from places in the image to those in the crop of 112 pixels; (0, 0) is the corner of either."""
        box, landmarks = (face.box, face.landmarks) if isinstance(face, Face) else (face, None)
        x1, y1, x2, y2 = crop_region(box, img.shape[:2], self.margin)
        turn = np.array([1.0, 0.0])
        if landmarks is not None:
            turn = estimate_similarity(landmarks, arcface_template())[:, 0]
        cos, sin = turn / np.hypot(*turn) * SIZE / (x2 - x1)
        linear = np.array([[cos, -sin], [sin, cos]])
        shift = SIZE / 2 - linear @ [(x1 + x2) / 2, (y1 + y2) / 2]
        return np.column_stack([linear, shift])

    def _points(self, img: np.ndarray, matrices: Sequence[np.ndarray]) -> np.ndarray:
        """(B, 68, 2) in [0, 1] of each crop."""
        import torch

        crops = np.empty((len(matrices), SIZE, SIZE, 3), np.uint8)
        for crop, matrix in zip(crops, matrices):
            by_centre = matrix.copy()  # of pixels, as OpenCV counts
            by_centre[:, 2] += matrix[:, :2] @ [0.5, 0.5] - 0.5
            crop[:] = warp_similarity(img, by_centre, (SIZE, SIZE), cv2.BORDER_REPLICATE)
        batch = torch.from_numpy(np.ascontiguousarray(crops[..., ::-1].transpose(0, 3, 1, 2)))
        with torch.inference_mode():
            return self.network(batch.to(self.device).float() / 255)[-1].cpu().numpy()
