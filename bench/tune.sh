#!/usr/bin/env bash
# Builds target/tuned/convo: `make release`'s binary, but compiled by a profile of its own work (profile-guided
# optimisation, https://doc.rust-lang.org/rustc/profile-guided-optimization.html). A first build counts what it does while
# the load generators meet and chat in it; the second is laid out and inlined by those counts.
set -euo pipefail
cd "$(dirname "$0")/.."

host=$(rustc -vV | sed -n 's/^host: //p')
merge=$(rustc --print sysroot)/lib/rustlib/$host/bin/llvm-profdata
[ -x "$merge" ] || { echo "llvm-profdata of this compiler is wanted: rustup component add llvm-tools" >&2; exit 1; }

out=$PWD/target/tuned
rm -rf "$out/counts"
# A target that is named keeps these flags from build scripts and macros.
RUSTFLAGS="-Cprofile-generate=$out/counts" \
  cargo build --locked --profile bench-run --target "$host" --target-dir "$out/counting" -p convo-server
cargo build --locked --profile bench-run -p convo-bench

load() { target/bench-run/convo-bench "$@" --convo "$out/counting/$host/bench-run/convo" --out "$out/load"; }
load media compare --servers convo --seconds 5 --warm-up 3 \
  --scenarios audio-10x10,audio-10x100,meeting-12x12,speaker-12x12,stream-1x100,stream-1x300
load chat --quick --servers convo-sio,convo-ws

"$merge" merge -o "$out/profile" "$out"/counts/*.profraw
RUSTFLAGS="-Cprofile-use=$out/profile" \
  cargo build --locked --release --target "$host" --target-dir "$out/final" -p convo-server
cp "$out/final/$host/release/convo" "$out/convo"
echo "built $out/convo"
