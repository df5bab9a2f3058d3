#!/usr/bin/env bash
# Test on N processes, one a GPU, or on the CPU (gloo) where there is no GPU:
#   tools/dist_test.sh CONFIG CHECKPOINT N [options of mmfer test]
set -eu
[ $# -ge 3 ] || { sed -n '2,3s/^# *//p' "$0" >&2; exit 2; }
config=$1 checkpoint=$2 processes=$3
shift 3
exec python -m torch.distributed.run --standalone --nproc_per_node "$processes" \
    "$(dirname "$0")/test.py" "$config" "$checkpoint" --launcher pytorch "$@"
