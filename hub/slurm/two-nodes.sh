#!/bin/bash
# Two nodes on CSC's Roihu (GH200; four a node, 72 cores each). From the repository's root:
#   sbatch --account=project_2000000 hub/slurm/two-nodes.sh
# On LUMI (MI250X; eight GPU dies a node, seven free cores each), with a container that holds PyTorch for ROCm:
#   RUN="singularity exec /path/to/pytorch.sif" MODULES= sbatch --account=project_462000000 --partition=standard-g --gres=gpu:8 --cpus-per-task=56 hub/slurm/two-nodes.sh
# What stands behind the script's name goes to dlbook.train.distributed, for example: --epochs 3
#SBATCH --job-name=dlbook-two-nodes
#SBATCH --partition=gpumedium
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
#SBATCH --cpus-per-task=288
#SBATCH --gres=gpu:gh200:4
#SBATCH --time=00:30:00
#SBATCH --requeue
#SBATCH --signal=B:USR1@120
#SBATCH --open-mode=append
#SBATCH --output=slurm-%x-%j.out
# shellcheck source=hub/slurm/common.sh
source "${SLURM_SUBMIT_DIR:-.}/hub/slurm/common.sh"
