#!/usr/bin/env bash
# Gates for a build: one that passes, one that fails, one that cannot be decided; exit codes checked.
# Usage: recipes/ci-gate/run.sh [FOLDER]      (default: runs/ci-gate)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/ci-gate}
baseline=$folder/baseline.json
drops=(--metric bleu --metric chrf --max-drop bleu=0 --max-drop chrf=0 --significant 0.05)

expect() {
  local expected=$1 found=0
  shift
  echo "+ $*"
  "$@" || found=$?
  if [ "$found" -ne "$expected" ]; then
    echo "exit code $found; $expected was expected" >&2
    exit 1
  fi
  echo "exit code $found, as expected"
  echo
}

rm -rf "$folder"
# The first result that passes its gates becomes the baseline.
expect 0 llmctl score "$here/main.jsonl" --metric bleu --metric chrf --gate 'bleu>=10' \
  --baseline "$baseline" --update-baseline -o "$folder/main"
# Both numbers are lower than before, but by no more than chance would bring about.
expect 0 llmctl score "$here/refactored.jsonl" "${drops[@]}" --baseline "$baseline" \
  -o "$folder/refactored"
# A real drop: code 3.
expect 3 llmctl score "$here/shrunk.jsonl" "${drops[@]}" --baseline "$baseline" -o "$folder/shrunk"
# BLEU on other tokens is another number: nothing can be said, code 4.
expect 4 llmctl score "$here/main.jsonl" --option bleu.tokenizer=char --max-drop bleu=1 \
  --baseline "$baseline" -o "$folder/other"
expect 0 llmctl compare "$folder/main" "$folder/shrunk"
