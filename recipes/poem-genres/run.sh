#!/usr/bin/env bash
# Usage: recipes/poem-genres/run.sh [FOLDER]      (default: runs/poem-genres)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/poem-genres}

llmctl finetune "$here/poem-genres.yaml" -o "$folder"
llmctl predict "$folder" --prompt "床前明月光，疑是地上霜。"
