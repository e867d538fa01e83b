#!/usr/bin/env bash
# From raw text to a judged GPT: prepare -> tokenizer -> pretrain -> eval with a gate -> sample.
# Usage: recipes/quickstart/run.sh [FOLDER]      (default: runs/quickstart)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/quickstart}

llmctl data prepare bundled:moby-dick bundled:tang-poems -o "$folder/documents"
llmctl tokenizer train "$folder/documents" --kind bpe --vocab-size 4096 -o "$folder/tokenizer"
llmctl pretrain "$here/quickstart.yaml" data.train="$folder/documents" \
  tokenizer.path="$folder/tokenizer" -o "$folder/run"
llmctl eval "$folder/run" --data "$folder/documents/validation" \
  --gate 'perplexity<=200' -o "$folder/eval"
llmctl predict "$folder/run" --task generation --prompt "The whale" \
  --max-new-tokens 60 --temperature 0.8 --top-k 40 --seed 1
