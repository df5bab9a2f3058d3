#!/usr/bin/env bash
# Train on N processes, one a GPU, or on the CPU (gloo) where there is no GPU:
#   [MAX_RESTARTS=3] tools/dist_train.sh CONFIG N [options of mmfer train]
# When a process dies, all are started again, up to MAX_RESTARTS times (0), and continue from the newest checkpoint.
# On several machines also set NNODES, NODE_RANK, MASTER_ADDR and MASTER_PORT; there MAX_RESTARTS implies --resume.
set -eu
[ $# -ge 2 ] || { sed -n '2,5s/^# *//p' "$0" >&2; exit 2; }
config=$1 processes=$2 restarts=${MAX_RESTARTS:-0}
shift 2
if [ -z "${NNODES:-}" ]; then
    where=(--standalone)
elif [ "$restarts" = 0 ]; then
    where=(--nnodes "$NNODES" --node_rank "${NODE_RANK:-0}" --master_addr "${MASTER_ADDR:?}" --master_port "${MASTER_PORT:-29500}")
else # the machines find each other, again after a restart, whose number torchrun tells only to some of the processes
    set -- "$@" --resume
    where=(--nnodes "$NNODES" --rdzv_backend c10d --rdzv_endpoint "${MASTER_ADDR:?}:${MASTER_PORT:-29500}" --rdzv_id mmfer)
fi
# Otherwise restarted processes can find addresses of those that died: https://github.com/pytorch/pytorch/issues/135712
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=${TORCH_DISABLE_SHARE_RDZV_TCP_STORE:-1}
exec python -m torch.distributed.run "${where[@]}" --nproc_per_node "$processes" --max_restarts "$restarts" \
    "$(dirname "$0")/train.py" "$config" --launcher pytorch "$@"
