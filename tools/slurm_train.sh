#!/usr/bin/env bash
# Train under Slurm, one process a GPU:
#   [GPUS=8] [GPUS_PER_NODE=8] [CPUS_PER_TASK=5] [GRACE=120] [SRUN_ARGS=...] tools/slurm_train.sh PARTITION JOB CONFIG [options of mmfer train]
# This waits for a job step (srun). BATCH=1 [SBATCH_ARGS=...] submits a batch job instead, which runs again after a
# preemption or at its time limit, and then continues from the newest checkpoint.
# The training saves and stops when the job is preempted or has GRACE seconds left.
set -eu
[ $# -ge 3 ] || { sed -n '2,6s/^# *//p' "$0" >&2; exit 2; }
partition=$1 job=$2 config=$3
gpus=${GPUS:-8}
per_node=${GPUS_PER_NODE:-$((gpus < 8 ? gpus : 8))}
grace=${GRACE:-120}
tasks=(--ntasks="$gpus" --ntasks-per-node="$per_node" --cpus-per-task="${CPUS_PER_TASK:-5}")
resources=(-p "$partition" --job-name="$job" --gres="gpu:$per_node" "${tasks[@]}")

if [ "${BATCH:-0}" = 1 ]; then
    # shellcheck disable=SC2086 # SBATCH_ARGS is a list of options
    exec sbatch "${resources[@]}" --requeue --open-mode=append --signal="B:USR1@$grace" ${SBATCH_ARGS:-} <<EOF
#!/usr/bin/env bash
BATCH=inside exec $(printf '%q ' "$0" "$@")
EOF
fi

shift 3
train=(python -u "$(dirname "$0")/train.py" "$config" --launcher slurm "$@")
if [ "${BATCH:-0}" != inside ]; then
    # shellcheck disable=SC2086 # SRUN_ARGS is a list of options
    exec srun "${resources[@]}" --signal="USR1@$grace" --kill-on-bad-exit=1 ${SRUN_ARGS:-} "${train[@]}"
fi

[ "${SLURM_RESTART_COUNT:-0}" = 0 ] || train+=(--resume)
limit= step=
trap 'limit=reached; [ -z "$step" ] || kill -USR1 "$step" 2>/dev/null || true' USR1
trap '' TERM # of a preemption: the training gets it from Slurm itself
# shellcheck disable=SC2086
srun "${tasks[@]}" --kill-on-bad-exit=1 ${SRUN_ARGS:-} "${train[@]}" &
step=$!
while :; do
    code=0
    wait "$step" || code=$?
    [ "$limit" = reached ] || break
    limit=passed # the signal ended wait, not the step
done
if [ "$limit" = passed ] && [ "$code" != 0 ]; then
    echo "time limit reached: job $SLURM_JOB_ID is queued again" >&2
    scontrol requeue "$SLURM_JOB_ID"
fi
exit "$code"
