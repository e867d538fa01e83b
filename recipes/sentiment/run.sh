#!/usr/bin/env bash
# Usage: recipes/sentiment/run.sh [FOLDER]      (default: runs/sentiment)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/sentiment}

llmctl finetune "$here/sentiment.yaml" -o "$folder"
llmctl predict "$folder" --prompt "The picture is sharp, but the sound is awful."
