#!/usr/bin/env bash
# Make the virtual environment VENV with PYTHON; on Debian install what `python -m venv` needs when it is missing.
set -euo pipefail
python=$1 venv=$2
"$python" - <<'PY' || { echo "Xiangyun needs Python 3.11 or newer (found: $("$python" --version 2>&1))"; exit 1; }
import sys
sys.exit(sys.version_info < (3, 11))
PY
[ -x "$venv/bin/pip" ] && exit 0
if ! "$python" -c "import ensurepip" 2>/dev/null; then
  if command -v apt-get >/dev/null && [ "$(id -u)" = 0 ]; then
    apt-get install -y -qq python3-venv
  else
    echo "run this first: sudo apt-get install python3-venv"; exit 1
  fi
fi
rm -rf "$venv"
"$python" -m venv "$venv"
