"""Finding faces in photographs and bringing them into the form that expression networks see.

Importing this needs NumPy and OpenCV only.
"""
