#!/usr/bin/env bash
# Usage: recipes/chat/run.sh [FOLDER]      (default: runs/chat)
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
folder=${1:-runs/chat}

llmctl finetune "$here/chat.yaml" -o "$folder"
llmctl predict "$folder" --prompt "你好，我想找一家餐馆。"
