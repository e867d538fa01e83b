#!/usr/bin/env bash
# Usage: recipes/translate-en-zh/run.sh [FOLDER]      (default: runs/translate-en-zh)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/translate-en-zh}

llmctl finetune "$here/translate-en-zh.yaml" -o "$folder"
llmctl predict "$folder" --prompt "A list holds items in order."
