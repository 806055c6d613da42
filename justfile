# The commands of everyday work. Without `just`, read them here and run them by hand.

# everything that decides whether a change lands
ci:
    bash .ci/run

# all tests; arguments go to cargo: just test --test it
test *args:
    scripts/test {{args}}

# quick check while editing
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings

# rewrite man pages, completions and help snapshots
generate:
    ZVAULT_WRITE=1 cargo test --test it generated

# benchmarks of the stages
bench:
    cargo bench

# push and restore a folder with a vault of its own: just try ~/notes
try folder:
    scripts/try {{quote(folder)}}
