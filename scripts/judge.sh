#!/usr/bin/env bash
# Judges the demo's model: validation loss against the training split's unigram entropy, and the sample against the text.
#   judge.sh TEXT FOLDER      FOLDER has data/, run/ and sample.txt, as demo.sh leaves them
# Fails unless the loss is at least 1 nat below the entropy, 90 % of the sample's whole words occur in the text, and no 20
# words in a row are copied from it.
set -euo pipefail
text=$1 folder=$2

# Token files have a header of 256 int32; the demo's vocabulary fits uint16.
entropy=$(for shard in "$folder"/data/train*.bin; do od -An -v -t u2 -w2 -j 1024 "$shard"; done |
  awk '{ count[$1]++; total++ } END { for (t in count) { p = count[t] / total; sum -= p * log(p) } printf "%.4f", sum }')
loss=$(grep -o '"val_loss": *[0-9.]*' "$folder/run/log.jsonl" | tail -n 1 | grep -o '[0-9.]*$')
gain=$(awk -v e="$entropy" -v l="$loss" 'BEGIN { printf "%.4f", e - l }')
echo "validation loss $loss nats per token, unigram entropy of the training split $entropy: $gain below (at least 1.0 wanted)"

words() { tr -c "A-Za-z'" '\n' < "$1" | grep -v '^$'; }
words "$text" > "$folder/text.words"
# The first and the last word of a sample may be cut.
words "$folder/sample.txt" | sed '1d;$d' > "$folder/sample.words"
awk 'NR == FNR { known[$0] = 1; next } { total++; if ($0 in known) found++ } END { printf "%.1f\n", 100 * found / total }' \
  "$folder/text.words" "$folder/sample.words" > "$folder/known.txt"
known=$(cat "$folder/known.txt")
echo "words of the sample that occur in the text: $known % (at least 90 wanted)"

copied=$(awk -v span=20 '
  NR == FNR { sample[FNR] = $0; n = FNR; next }
  FNR == 1 { for (i = 1; i + span - 1 <= n; i++) { key = ""; for (j = 0; j < span; j++) key = key " " sample[i + j]; wanted[key] = 1 } }
  { for (j = 1; j < span; j++) last[j] = last[j + 1]; last[span] = $0
    if (FNR >= span) { key = ""; for (j = 1; j <= span; j++) key = key " " last[j]; if (key in wanted) copies++ } }
  END { print copies + 0 }' "$folder/sample.words" "$folder/text.words")
echo "runs of 20 words copied from the text: $copied (0 wanted)"

awk -v g="$gain" -v k="$known" -v c="$copied" 'BEGIN { exit !(g >= 1 && k >= 90 && c == 0) }' ||
  { echo "judge.sh: the demo's model is worse than promised" >&2; exit 1; }
