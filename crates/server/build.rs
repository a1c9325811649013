//! The web app is built into the binary. Its folder is there from the start, so that a new build of the app is noticed.

use std::{fs, path::Path};

fn main() {
    let dist = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    // Without the app the binary says how to get it; that it could not be made is no reason not to build.
    let _ = fs::create_dir_all(&dist);
    println!("cargo:rerun-if-changed={}", dist.display());
}
