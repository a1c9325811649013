//! Packs ReDoc's bundle, where `make docs-ui` has fetched it. Without it the packed file is empty, and `/redoc` shows
//! the server's own plain reference.

use flate2::{Compression, write::GzEncoder};
use std::{
    env, fs,
    io::{Result, Write},
    path::Path,
};

const BUNDLE: &str = "ui/node_modules/redoc/bundles/redoc.standalone.js";

/// The notices that the licences of ReDoc and of what is bundled with it ask to keep.
const NOTICES: [&str; 2] =
    ["ui/node_modules/redoc/LICENSE", "ui/node_modules/redoc/bundles/redoc.standalone.js.LICENSE.txt"];

/// The one thing that ReDoc fetches from another host by itself.
const LOGO: &str = "https://cdn.redoc.ly/redoc/logo-mini.svg";

/// One transparent pixel.
const NO_LOGO: &str = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw==";

fn main() -> Result<()> {
    let present = Path::new(BUNDLE).exists();
    // A watched file that is missing makes every build a fresh one; so until it is there, its folder is watched.
    println!("cargo::rerun-if-changed={}", if present { BUNDLE } else { "ui" });
    println!("cargo::rerun-if-changed=build.rs");
    let packed = if present { pack()? } else { Vec::new() };
    let folder = env::var_os("OUT_DIR").expect("cargo sets OUT_DIR");
    fs::write(Path::new(&folder).join("redoc.js.gz"), packed)
}

/// The notices and the bundle, gzipped.
fn pack() -> Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::best());
    for notice in NOTICES {
        let text = fs::read_to_string(notice)?.replace("*/", "");
        writeln!(packed, "/*!\n{text}\n*/")?;
    }
    let bundle = fs::read_to_string(BUNDLE)?;
    // Else the pixel has to find its new place, and somebody has to look what else the new version fetches.
    assert!(bundle.contains(LOGO), "this version of ReDoc has no {LOGO}");
    packed.write_all(bundle.replace(LOGO, NO_LOGO).as_bytes())?;
    packed.finish()
}
