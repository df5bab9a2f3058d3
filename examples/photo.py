"""The expressions in a photo, and a picture of the answers: python photo.py photo.jpg"""

import sys
from pathlib import Path

import cv2

from mmfer import ExpressionInferencer
from mmfer.visualization.faces import draw_faces, face_sheet

path = Path(sys.argv[1])
inferencer = ExpressionInferencer()  # the shipped model; needs no PyTorch and no GPU
for image, result in inferencer.stream_images(path):
    if result.error:
        sys.exit(f'error: {result.error}')
    for face in result.faces:
        sure = 'unsure' if face.abstain else f'{face.score:.0%}'
        print(f'{face.label} ({sure}), uncertainty {face.uncertainty:.2f} nats')
    cv2.imwrite(f'{path.stem}_faces.png', draw_faces(image, result))
    cv2.imwrite(f'{path.stem}_cards.png', face_sheet(image, result))
    print(f'{len(result.faces)} faces; see {path.stem}_faces.png and {path.stem}_cards.png')
