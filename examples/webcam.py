"""Live expressions from a camera, in a window; q ends: python webcam.py [CAMERA OR VIDEO]"""

import sys

import cv2

from mmfer import ExpressionInferencer
from mmfer.visualization.faces import draw_faces

name = sys.argv[1] if len(sys.argv) > 1 else '0'
source = int(name) if name.isdigit() else name  # cameras are numbered from 0

# Each person is followed; a frame counts half after half_life frames, so labels do not flicker.
inferencer = ExpressionInferencer(half_life=5)
for image, result in inferencer.stream_images(source):
    if image is None:
        sys.exit(f'error: {result.error}')
    cv2.imshow('mmfer: q ends', draw_faces(image, result))
    if cv2.waitKey(1) & 0xFF == ord('q'):
        break
cv2.destroyAllWindows()
