#!/usr/bin/env bash
# Usage: recipes/entities/run.sh [FOLDER]      (default: runs/entities)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/entities}

llmctl finetune "$here/entities.yaml" -o "$folder"
printf "Obama\nvisited\nBerlin\n" > "$folder/post.conll"
llmctl predict "$folder" "$folder/post.conll"
