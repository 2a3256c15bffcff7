#!/bin/bash
# One study on the nodes of a Slurm job: sbatch slurm.sh ./mine.py
#
# Ray starts on every node and ends with the study. A job that was cut short goes on when it is
# submitted again. tuner's environment and the results lie on the file system that all nodes share.
#SBATCH --job-name=tuner
#SBATCH --nodes=4
#SBATCH --ntasks-per-node=1
#SBATCH --exclusive
#SBATCH --time=08:00:00
# The end is announced to Ray's driver two minutes ahead, so that what is finished is kept.
#SBATCH --signal=TERM@120

set -euo pipefail
experiment=${1:?name an experiment, such as ./mine.py}
results=${TUNER_RESULTS:-$HOME/results}
study=$(basename "$experiment" .py)
source "${TUNER_VENV:-$HOME/tuner/venv}/bin/activate"

# Whoever reaches these nodes needs the token; it is made for this job alone.
RAY_AUTH_MODE=token
RAY_AUTH_TOKEN=$(openssl rand -hex 32)
export RAY_AUTH_MODE RAY_AUTH_TOKEN RAY_USAGE_STATS_ENABLED=0

head=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)
resume=()
if [ -d "$results/$study" ]; then resume=(--resume); fi
srun --nodes="$SLURM_JOB_NUM_NODES" --ntasks="$SLURM_JOB_NUM_NODES" \
    ray symmetric-run --address "$head:6379" --min-nodes "$SLURM_JOB_NUM_NODES" -- \
    python -m tuner run "$experiment" --study "$study" --address "$head:6379" \
    --results "$results" "${resume[@]}"
