#!/usr/bin/env bash
# Train on N processes, one a GPU, or on the CPU (gloo) where there is no GPU:
#   [MAX_RESTARTS=3] tools/dist_train.sh CONFIG N [options of tools/train.py]
# When a process dies, all are started again, up to MAX_RESTARTS times (0), and continue from the newest checkpoint.
# On several machines also set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT.
set -eu
[ $# -ge 2 ] || { sed -n '2,5s/^# *//p' "$0" >&2; exit 2; }
config=$1 processes=$2
shift 2
if [ -n "${NNODES:-}" ]; then
    where=(--nnodes "$NNODES" --node_rank "${NODE_RANK:-0}" --master_addr "${MASTER_ADDR:?}" --master_port "${MASTER_PORT:-29500}")
else
    where=(--standalone)
fi
exec python -m torch.distributed.run "${where[@]}" --nproc_per_node "$processes" --max_restarts "${MAX_RESTARTS:-0}" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
