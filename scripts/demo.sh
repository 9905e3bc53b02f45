#!/usr/bin/env bash
# Everything from nothing: installs what is missing, builds, trains a small model with Context-Adaptive Attention on real English
# text for about two minutes, and shows the loss curve and a sample.
#
#   scripts/demo.sh [TEXT]      TEXT: plain text, documents separated by a blank line; by default the King James Bible
set -euo pipefail
cd "$(dirname "$0")/.."
text=${1:-}
[ -z "$text" ] || [ -r "$text" ] || { echo "demo.sh: cannot read $text" >&2; exit 1; }
scripts/build.sh
PATH=$PWD/build/bin:$PATH
work=$PWD/build/demo
rm -rf "$work" && mkdir -p "$work"
if [ -z "$text" ]; then
  text=$work/bible.txt
  scripts/bible.sh "$text"
fi

echo; echo "== Tokenizer and data"
caa-run data tokenizer "$text" -o "$work/tokenizer.json" --vocab 2048
caa-run data prepare "$text" -o "$work/data" --tokenizer "$work/tokenizer.json" --split-on '\n\n'

echo; echo "== Compile"
caac models/qwen_caa.mdl -o "$work/caa.so" \
  --set vocab=2048 --set dim=192 --set layers=3 --set heads=3 --set kv_heads=3 --set ffn=512 --set context=256 \
  --set caa.least=32 --set caa.most=64 --set caa.ramp=8 \
  --set train.batch=16 --set train.optimizer.lr=2e-3 --set train.steps=800 --set 'train.schedule=cosine(warmup = 40)'

echo; echo "== Train"
caa-run train "$work/caa.so" --data "$work/data" --run "$work/run" --eval-every 100

echo; echo "== Result"
caa-run eval "$work/caa.so" --data "$work/data" --checkpoint "$work/run" | tee "$work/eval.txt"
caa-run generate "$work/caa.so" --checkpoint "$work/run" -p "And it came to pass" --length 300 --temperature 0.8 --top-k 40 > "$work/sample.txt"
echo; cat "$work/sample.txt"; echo
scripts/judge.sh "$text" "$work"
caa-run report "$work/run" -o "$work/report.html"
echo; echo "Loss curve and sample: $work/report.html"
