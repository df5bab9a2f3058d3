"""From a checkpoint to files that run without mmfer; see :mod:`mmfer.inference.export.write`."""
