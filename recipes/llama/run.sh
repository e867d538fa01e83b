#!/usr/bin/env bash
# Usage: recipes/llama/run.sh [FOLDER]      (default: runs/llama)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/llama}

llmctl pretrain "$here/llama.yaml" -o "$folder"
llmctl eval "$folder" -o "$folder/eval"
llmctl predict "$folder" --task generation --prompt "The" --temperature 0.8 --top-k 40 --seed 1
