#!/usr/bin/env bash
# Train on N processes, one a GPU, or on the CPU (gloo) where there is no GPU:
#   tools/dist_train.sh CONFIG N [options of tools/train.py]
# On several machines also set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT.
set -eu
[ $# -ge 2 ] || { sed -n '2,4s/^# *//p' "$0" >&2; exit 2; }
config=$1 processes=$2
shift 2
if [ -n "${NNODES:-}" ]; then
    where=(--nnodes "$NNODES" --node_rank "${NODE_RANK:-0}" --master_addr "${MASTER_ADDR:?}" --master_port "${MASTER_PORT:-29500}")
else
    where=(--standalone)
fi
exec python -m torch.distributed.run "${where[@]}" --nproc_per_node "$processes" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
