# shellcheck shell=bash
# What the job scripts of this folder have in common: start torchrun once a node, and be requeued before the time is over.
# Submit from the repository's root. Settings, all optional:
#   OUT      folder of checkpoint and weights, the same for every start of the job
#   MODULES  modules to load, python-pytorch on Roihu
#   RUN      command before python, for example: singularity exec /path/to/pytorch.sif
#   PYTHON   python with the course's dependencies
#   DLBOOK_MIRROR  folder of course data; compute nodes often have no way to the network
set -euo pipefail

OUT=${OUT:-$PWD/results/${SLURM_JOB_NAME:-distributed}-${SLURM_JOB_ID:?submit this script with sbatch}}
NODES=${SLURM_JOB_NUM_NODES:-1}
GPUS=${SLURM_GPUS_ON_NODE:-1}
mkdir -p "$OUT"

if command -v module >/dev/null; then
  # shellcheck disable=SC2086 # several modules are several words
  module load ${MODULES-python-pytorch}
fi

# All processes meet at the job's first node, at a port that no other job of this number takes.
head=$(scontrol show hostnames "${SLURM_JOB_NODELIST:?}" | sed -n 1p)
port=$((20000 + SLURM_JOB_ID % 20000))

export DLBOOK_PROFILE=full
export TORCH_DISABLE_SHARE_RDZV_TCP_STORE=1 # else processes that start again look for those that are gone
export DLBOOK_THREADS=${DLBOOK_THREADS:-$((${SLURM_CPUS_PER_TASK:-1} / GPUS > 0 ? ${SLURM_CPUS_PER_TASK:-1} / GPUS : 1))}
export OMP_NUM_THREADS=$DLBOOK_THREADS
export PYTHONPATH=$PWD/code${PYTHONPATH:+:$PYTHONPATH}

# Slurm sends USR1 some minutes before the end. Requeueing ends the processes with SIGTERM; they write a checkpoint first, and
# the same job goes on from it.
# shellcheck disable=SC2329 # the trap calls it
again() {
  echo "the time is nearly over: requeueing job $SLURM_JOB_ID, which goes on from its last checkpoint"
  scontrol requeue "$SLURM_JOB_ID"
}
trap again USR1

# shellcheck disable=SC2086 # RUN is a command with its words
srun --ntasks="$NODES" --ntasks-per-node=1 --kill-on-bad-exit=1 ${RUN-} "${PYTHON:-python3}" -m torch.distributed.run \
  --nnodes="$NODES" --nproc-per-node="$GPUS" --max-restarts=3 \
  --rdzv-id="$SLURM_JOB_ID" --rdzv-backend=c10d --rdzv-endpoint="$head:$port" \
  -m dlbook.train.distributed --out "$OUT" "$@" &
job=$!
status=0
wait "$job" || status=$?
# A trap interrupts `wait`; the job itself ends a moment later.
while kill -0 "$job" 2>/dev/null; do
  status=0
  wait "$job" || status=$?
done
exit "$status"
