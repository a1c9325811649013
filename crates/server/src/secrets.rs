//! The data folder, for its owner and one server alone, and the secrets that are made on first start and kept in it.

use crate::config::{Config, Secret};
use anyhow::{Context, Result, bail};
use convo_domain::room::code;
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions, Permissions, TryLockError},
    io::Write,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt},
    path::Path,
};

/// Keys in force.
pub(crate) struct Secrets {
    pub jwt: Secret,
    pub livekit_key: String,
    pub livekit_secret: Secret,
    /// Signs the credentials of the embedded TURN server.
    pub turn: Secret,
}

#[derive(Default, Serialize, Deserialize)]
struct Kept {
    jwt_secret: Option<String>,
    livekit_api_key: Option<String>,
    livekit_api_secret: Option<String>,
    turn_secret: Option<String>,
}

/// Makes the data folder if it is missing; nobody else may look into it.
pub(crate) fn data_dir(path: &Path) -> Result<()> {
    if !path.exists() {
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(path)
            .with_context(|| format!("cannot make the data folder {}", path.display()))?;
    }
    fs::set_permissions(path, Permissions::from_mode(0o700))
        .with_context(|| format!("cannot keep the data folder {} to its owner", path.display()))
}

/// The folder is this server's while what is returned lives; a crash gives it back too. Other commands do without: they work
/// beside a server.
pub(crate) fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("serve.lock");
    let file = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(&path);
    let file = file.with_context(|| format!("cannot open {}", path.display()))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            bail!("another server runs with the data folder {}", data_dir.display())
        }
        // Not every network's file system knows locks.
        Err(TryLockError::Error(error)) => {
            tracing::warn!(%error, "the data folder cannot be locked: see that no other server runs with it");
        }
    }
    Ok(file)
}

/// What was configured, else what was kept, else fresh and kept from now on.
pub(crate) fn load(config: &Config) -> Result<Secrets> {
    let file = config.data_dir.join("secrets.toml");
    let mut kept: Kept = match fs::read_to_string(&file) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("{} is damaged", file.display()))?,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Kept::default(),
        Err(error) => return Err(error).with_context(|| format!("cannot read {}", file.display())),
    };
    let mut fresh = false;
    let mut or_fresh = |slot: &mut Option<String>, make: fn() -> String| {
        slot.get_or_insert_with(|| {
            fresh = true;
            make()
        })
        .clone()
    };
    let jwt = match &config.jwt_secret {
        Some(secret) => secret.clone(),
        None => Secret(or_fresh(&mut kept.jwt_secret, || code::hex(32))),
    };
    let livekit_key = match &config.livekit_api_key {
        Some(key) => key.clone(),
        None => or_fresh(&mut kept.livekit_api_key, || format!("API{}", code::hex(6))),
    };
    let livekit_secret = match &config.livekit_api_secret {
        Some(secret) => secret.clone(),
        None => Secret(or_fresh(&mut kept.livekit_api_secret, || code::hex(32))),
    };
    let turn = Secret(or_fresh(&mut kept.turn_secret, || code::hex(32)));
    if fresh {
        keep(&file, &toml::to_string(&kept)?).with_context(|| format!("cannot write {}", file.display()))?;
    }
    Ok(Secrets { jwt, livekit_key, livekit_secret, turn })
}

/// Whole or not at all: a crash in the middle must not leave half a secret.
fn keep(file: &Path, text: &str) -> std::io::Result<()> {
    let draft = file.with_extension("new");
    let mut out = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    out.write_all(text.as_bytes())?;
    out.sync_all()?;
    fs::rename(draft, file)
}
