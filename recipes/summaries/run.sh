#!/usr/bin/env bash
# Usage: recipes/summaries/run.sh [FOLDER]      (default: runs/summaries)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/summaries}

llmctl finetune "$here/summaries.yaml" -o "$folder"
llmctl predict "$folder" bundled:paper-summaries -o "$folder/predictions.jsonl"
