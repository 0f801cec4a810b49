#!/usr/bin/env bash
# The lines of train/reproduce.sh in a few minutes on two CPU cores: `tiny`, drawn faces, no network, no data of yours.
#
#   bash train/smoke.sh [FOLDER]     a new folder or one to go on with; by default a temporary one, which is kept
#
# Fails where a line fails or the loss of a stage does not fall. What `tiny` answers means nothing.
set -euo pipefail
[[ ${1:-} != -h && ${1:-} != --help ]] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit; }
OUT=${1:-$(mktemp -d)}
mkdir -p "$OUT" && OUT=$(cd "$OUT" && pwd)
cd "$(dirname "${BASH_SOURCE[0]}")/.."

export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH} OMP_NUM_THREADS=1
export CUDA_VISIBLE_DEVICES="" HF_HUB_OFFLINE=1 HF_DATASETS_CACHE=$OUT/datasets
LAUNCH=(accelerate launch --multi_gpu --num_processes 2 --main_process_port 0) # two processes, on CPUs as well

run() {
    printf '%s s: ' "$SECONDS" && printf '%q ' "$@" && echo
    "$@"
}

{ # bash reads to the end of this before it begins: the file may change while it runs
run python train/checkpoints/make_tiny.py "$OUT/tiny"
run python train/generate_synthetic.py --images 56 --clips 8 --frames 4 --size 96 --factors --out "$OUT/drawn"
run python train/check_data.py --dataset synthetic --root "$OUT/drawn" --split valid --workers 1
run python train/generate_instructions.py --dataset synthetic --root "$OUT/drawn" --writer action_units \
    --out "$OUT/instructions.json"
for job in synthetic/train synthetic/valid synthetic_clips/train; do
    run python train/extract_priors.py --dataset "${job%/*}" --root "$OUT/drawn" --split "${job#*/}" \
        --cache "$OUT/priors" --checkpoint "$OUT/tiny"
done
run "${LAUNCH[@]}" train/finetune.py train/recipes/tiny.yaml "checkpoint=$OUT/tiny" "cache=$OUT/priors" \
    "output=$OUT/run" "sources.synthetic.root=$OUT/drawn" "sources.synthetic.instructions=[$OUT/instructions.json]" \
    "sources.synthetic_clips.root=$OUT/drawn" | tee -a "$OUT/training.log"
run python train/evaluate.py --checkpoint "$OUT/run/adapter" --dataset synthetic --root "$OUT/drawn" --split test \
    --explain --groups --figures "$OUT/figures" --output "$OUT/report.json"
run python -m emo_toolkit batch "$OUT/drawn/images/test" --checkpoint "$OUT/run/adapter" --out "$OUT/rows.jsonl"

awk '$3 == "loss" { if (!($1 in first)) first[$1] = $4 + 0; last[$1] = $4 + 0 }
    END {
        for (stage in first) {
            printf "%s: loss %s at first, %s in the end\n", stage, first[stage], last[stage]
            fallen += last[stage] < first[stage]
        }
        exit fallen != 2
    }' "$OUT/training.log" || { echo "the loss of both stages must fall; see $OUT/training.log" >&2 && exit 1; }
echo "all of it in $SECONDS s; see $OUT"
exit; }
