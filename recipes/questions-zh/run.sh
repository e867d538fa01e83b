#!/usr/bin/env bash
# Usage: recipes/questions-zh/run.sh [FOLDER]      (default: runs/questions-zh)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/questions-zh}

llmctl finetune "$here/questions-zh.yaml" -o "$folder"
llmctl predict "$folder" bundled:chinese-questions -o "$folder/predictions.jsonl"
