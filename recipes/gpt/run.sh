#!/usr/bin/env bash
# Usage: recipes/gpt/run.sh [FOLDER]      (default: runs/gpt)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/gpt}

llmctl pretrain "$here/gpt.yaml" -o "$folder"
llmctl eval "$folder" -o "$folder/eval"
llmctl predict "$folder" --task generation --prompt "The" --temperature 0.8 --top-k 40 --seed 1
