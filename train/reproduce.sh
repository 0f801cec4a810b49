#!/usr/bin/env bash
# EMO-LLaMA at 7b's size from start to end: data, weights, facial priors, instructions, training, evaluation.
#
#   DATA=/data OUT=runs/paper bash train/reproduce.sh                everything
#   DATA=/data OUT=runs/paper bash train/reproduce.sh check weights  these parts only
#   DRY=1 bash train/reproduce.sh                                    prints the lines that are left, runs none
#
# Parts, in this order: check weights priors instructions sets joint ablations transfer.
# A finished line leaves a mark in OUT/done and is not run again; one that was stopped goes on where it was.
# Paths are absolute, or relative to the folder that train/ lies in.
# Not run by us: data sets and weights need their owners' agreement. train/smoke.sh runs the same lines with `tiny`.
set -euo pipefail
[[ ${1:-} != -h && ${1:-} != --help ]] || { sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "${BASH_SOURCE[0]}" && exit; }
cd "$(dirname "${BASH_SOURCE[0]}")/.."

DATA=${DATA:-data} # holds rafdb ferplus affectnet dfew ferv39k mafw, each in its published layout (train/README.md)
OUT=${OUT:-runs/paper}
WEIGHTS=${WEIGHTS:-weights} # holds llama-vid-7b-full-224-video-fps-1 instructblip-vicuna-7b facexformer/ckpts/model.pt
LAUNCH=${LAUNCH:-accelerate launch --config_file train/accelerate/ddp.yaml}
ANALYSER=${ANALYSER:-embedded} # or facexformer, most likely the paper's: evaluate.py cannot read with it yet
JOINT_FOLDS=${JOINT_FOLDS:-1} # of "1 2 3 4 5"; the paper's are not known, and each costs a whole joint run
GEMINI=${GEMINI:-} # such as "--model NAME --prices IN OUT --max-cost 500", of each set; empty: no conversations
DRY=${DRY:-}

PARTS="check weights priors instructions sets joint ablations transfer"
STILLS="rafdb ferplus affectnet" CLIPS="dfew ferv39k mafw"
chosen=${*:-$PARTS}
for word in $chosen; do
    [[ " $PARTS " == *" $word "* ]] || { echo "'$word' is no part; the parts are $PARTS" >&2 && exit 2; }
done
case $ANALYSER in
    embedded) reader=embedded version=embedded-2 sizes='{"prior_size": 1536, "num_prior_tokens": 49}' ;;
    facexformer) reader=$OUT/weights/facexformer version=facexformer-1 sizes='{}' ;;
    *) echo "ANALYSER is embedded or facexformer, not '$ANALYSER'" >&2 && exit 2 ;;
esac
read -ra launch <<<"$LAUNCH"
read -ra gemini <<<"$GEMINI"
trap 'exit 130' INT && trap 'exit 143' TERM # a training that is asked to stop ends well, and the next line would begin
export PYTHONPATH=$PWD${PYTHONPATH:+:$PYTHONPATH}

wants() { [[ " $chosen " == *" $1 "* ]]; }
once() { # once MARK COMMAND...
    local mark=$OUT/done/$1
    shift
    [[ ! -e $mark ]] || return 0
    printf '%q ' "$@" && echo
    [[ -z $DRY ]] || return 0
    "$@"
    mkdir -p "$OUT/done" && touch "$mark"
}
where() { # where SET FOLD SPLIT: the words by which every script finds samples
    at=(--dataset "$1" --root "$DATA/${1%7}" --split "$3") # affectnet7 is affectnet with a class less
    [[ $1 != dfew && $1 != mafw ]] || at+=(--fold "$2")
}
score() { # score NAME FOLD "SETS"; FOLD is "all" with {fold} in NAME
    local set report
    [[ $ANALYSER == embedded ]] || return 0
    for set in $3; do
        where "$set" "$2" test
        [[ $set != affectnet* ]] || at[5]=valid
        [[ $1 =~ lora_only|landmarks|embedding|fim ]] || at+=(--estimate) # age and gender, as it learnt
        report=$OUT/reports/${1/-\{fold\}/}-on-$set
        once "score-${report##*/}" "${launch[@]}" train/evaluate.py --checkpoint "$OUT/$1/adapter" "${at[@]}" \
            --output "$report.json" --figures "$report"
    done
}
experiment() { # experiment NAME RECIPE FOLD "SETS TO LEARN FROM" "SETS TO BE SCORED ON"
    local set told words=()
    for set in $4; do
        words+=("sources.$set.root=$DATA/${set%7}")
        told=$OUT/instructions/${set%7}-train.json
        if [[ $set == dfew || $set == mafw ]]; then
            words+=("sources.$set.fold=$3") # the clips that fold 1 tests on are training clips of the others
            [[ $3 == 1 ]] || told=$told,$OUT/instructions/$set-test.json
        fi
        [[ -z $GEMINI || $set == ferplus ]] || words+=("sources.$set.instructions=[$told]")
    done
    once "train-$1" "${launch[@]}" train/finetune.py "train/recipes/$2.yaml" "checkpoint=$OUT/weights/7b-base" \
        "analyser=$version" "cache=$OUT/priors" "output=$OUT/$1" "${words[@]}"
    score "$1" "$3" "$5"
}

{ # bash reads to the end of this before it begins: the file may change while it runs
for set in $STILLS $CLIPS; do # stops where something is wrong with a set
    ! wants check || once "check-$set" python train/check_data.py --dataset "$set" --root "$DATA/$set"
done
if wants weights; then
    [[ $ANALYSER == embedded ]] || once weights-facexformer python train/checkpoints/convert_facexformer.py \
        "$WEIGHTS/facexformer/ckpts/model.pt" --out "$reader"
    once weights-7b python train/checkpoints/convert_llama_vid.py --out "$OUT/weights/7b-base" --fim "$sizes" \
        --llama-vid "$WEIGHTS/llama-vid-7b-full-224-video-fps-1" --instructblip "$WEIGHTS/instructblip-vicuna-7b"
fi
for job in {rafdb,dfew,ferv39k,mafw}/{train,test} {ferplus,affectnet}/{train,valid}; do
    name=${job/\//-} # both splits of one fold hold the clips of all
    where "${job%/*}" 1 "${job#*/}"
    ! wants priors || once "priors-$name" "${launch[@]}" train/extract_priors.py "${at[@]}" --cache "$OUT/priors" \
        --checkpoint "$OUT/weights/7b-base" --analyser "$reader"
    ! wants instructions || [[ -z $GEMINI || ! $name =~ ^(dfew|mafw|rafdb-train|affectnet-train|ferv39k-train) ]] ||
        once "instructions-$name" python train/generate_instructions.py "${at[@]}" --writer gemini "${gemini[@]}" \
            --out "$OUT/instructions/$name.json"
done
if wants sets; then
    for set in $STILLS affectnet7 ferv39k; do experiment "$set" "7b_$set" 0 "$set" "$set"; done
    for set in dfew mafw; do
        for fold in 1 2 3 4 5; do experiment "$set-$fold" "7b_$set" "$fold" "$set" ""; done
        score "$set-{fold}" all "$set"
    done
fi
for fold in $JOINT_FOLDS; do
    ! wants joint || experiment "joint-$fold" 7b_joint "$fold" "$STILLS $CLIPS" "$STILLS affectnet7 $CLIPS"
done
for name in lora_only landmarks embedding fim category_only; do # train/compare.py sets their rows against joint-1's
    ! wants ablations || experiment "joint-1-$name" "7b_joint_$name" 1 "$STILLS $CLIPS" "$STILLS $CLIPS"
done
if wants transfer; then
    experiment image_to_video 7b_image_to_video 1 "$STILLS" "$CLIPS"
    experiment video_to_image 7b_video_to_image 1 "$CLIPS" "$STILLS"
fi
exit; }
