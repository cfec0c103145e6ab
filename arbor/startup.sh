#!/usr/bin/env bash
# From a bare GPU container to a served Arbor. Run it again at any time: it goes on where it stopped.
#   bash startup.sh            install what is missing, serve until Ctrl-C
#   bash startup.sh --install  install only (no GPU is looked for)
# ARBOR_HOST, ARBOR_PORT, ARBOR_TOKEN, ARBOR_CONFIG, ARBOR_VENV and ARBOR_PYTHON change the defaults.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
host=${ARBOR_HOST:-127.0.0.1}
port=${ARBOR_PORT:-7453}
config=${ARBOR_CONFIG:-$here/arbor.yaml}
venv=${ARBOR_VENV:-$HOME/.arbor/venv}
oldest_driver=525 # from here on all of CUDA 12 runs (torch 2.7.1 is built for 12.6)
need_gb=25        # the packages; a model of 3B takes 7 more

fail() {
    echo "startup.sh: $*" >&2
    exit 1
}

check_driver() {
    command -v nvidia-smi >/dev/null || fail "nvidia-smi is missing: this machine has no NVIDIA driver"
    local driver
    driver=$(nvidia-smi --query-gpu=driver_version --format=csv,noheader | head -n 1) ||
        fail "nvidia-smi fails: is the container started with its GPUs (--gpus all)?"
    [[ ${driver%%.*} =~ ^[0-9]+$ ]] || fail "nvidia-smi fails: is the container started with its GPUs?"
    ((${driver%%.*} >= oldest_driver)) ||
        fail "driver $driver is too old: take a machine with $oldest_driver or later"
}

find_python() {
    local candidate
    for candidate in ${ARBOR_PYTHON:-python3.11 python3.12 python3}; do
        command -v "$candidate" >/dev/null || continue
        # vllm 0.10.0 has no wheels for 3.13
        "$candidate" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 13))' &&
            echo "$candidate" && return
    done
    fail "Python 3.11 or 3.12 is needed: apt-get install python3.11 python3.11-venv"
}

install() {
    local python stamp free
    stamp="$venv/requirements.lock"
    cmp -s "$here/requirements.lock" "$stamp" && return
    python=$(find_python)
    mkdir -p "$venv"
    free=$(df -Pk "$venv" | awk 'NR == 2 { print int($4 / 1048576) }')
    ((free >= need_gb)) ||
        fail "$venv has $free GB free, $need_gb are needed: set ARBOR_VENV to a larger disk"
    echo "installing into $venv: some 10 GB, several minutes"
    if command -v uv >/dev/null; then
        [[ -x $venv/bin/python ]] || uv venv --python "$python" --allow-existing "$venv"
        uv pip install --python "$venv/bin/python" --require-hashes -r "$here/requirements.lock"
    else
        [[ -x $venv/bin/pip ]] || "$python" -m venv "$venv"
        "$venv/bin/pip" install --disable-pip-version-check --require-hashes \
            -r "$here/requirements.lock"
    fi
    cp "$here/requirements.lock" "$stamp" # last: an interrupted install is taken up again
}

answers() {
    # The token stays in the environment: a command line can be read by others.
    "$venv/bin/python" - "http://${host/#0.0.0.0/127.0.0.1}:$port" <<'PYTHON'
import os, sys, urllib.request
request = urllib.request.Request(f"{sys.argv[1]}/v1/memory/server")
if token := os.environ.get("ARBOR_TOKEN", "").strip():
    request.add_header("Authorization", f"Bearer {token}")
try:
    urllib.request.urlopen(request, timeout=10).read()
except OSError:
    sys.exit(1)
PYTHON
}

if [[ ${1:-} == --install ]]; then
    install
    exit
fi
check_driver
install
"$venv/bin/python" "$here/serve.py" --config "$config" --host "$host" --port "$port" &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true' INT TERM
until answers; do
    kill -0 "$server" 2>/dev/null || {
        code=0
        wait "$server" || code=$?
        exit "$code"
    }
    sleep 2
done
cat <<TEXT

The server answers. From your own machine, in the project's folder:
  ssh -N -L $port:127.0.0.1:$port USER@THIS_MACHINE
  uv run train.py --mode check --server http://127.0.0.1:$port/v1/
  uv run train.py --mode train --server http://127.0.0.1:$port/v1/
TEXT
code=0
wait "$server" || code=$?
while kill -0 "$server" 2>/dev/null; do # a signal ends the first wait, not the server
    wait "$server" || code=$?
done
exit "$code"
