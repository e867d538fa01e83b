#!/usr/bin/env bash
# Usage: recipes/gpt-mini/run.sh [FOLDER]      (default: runs/gpt-mini)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/gpt-mini}

llmctl pretrain "$here/gpt-mini.yaml" -o "$folder"
llmctl eval "$folder" -o "$folder/eval"
llmctl predict "$folder" --task generation --prompt "The" --temperature 0.8 --top-k 40 --seed 1
