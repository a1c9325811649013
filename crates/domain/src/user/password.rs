//! Argon2id, off the async threads, and never more at once than there are processors.

use crate::error::{Error, Result};
use argon2::{Argon2, PasswordHasher, PasswordVerifier, password_hash::phc};
use std::sync::{LazyLock, OnceLock};
use tokio::sync::Semaphore;

/// An Argon2id hash in PHC form. Has no readable `Debug`: hashes do not belong in logs.
#[derive(Clone, PartialEq, Eq)]
pub struct PasswordHash(pub String);

impl std::fmt::Debug for PasswordHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PasswordHash(..)")
    }
}

impl PasswordHash {
    /// No password at all fits: for accounts that nobody logs in to.
    pub fn none() -> Self {
        Self(String::new())
    }
}

/// One hash takes about 20 ms and 19 MiB; a queue is kinder than a memory full of them.
static SLOTS: LazyLock<Semaphore> =
    LazyLock::new(|| Semaphore::new(std::thread::available_parallelism().map_or(2, |n| n.get())));

async fn off_thread<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let _slot = SLOTS.acquire().await.map_err(Error::internal)?;
    tokio::task::spawn_blocking(work).await.map_err(Error::internal)
}

/// Hashes with the crate's defaults, OWASP's first choice: Argon2id, 19 MiB, 2 passes, 1 lane.
pub async fn hash(password: String) -> Result<PasswordHash> {
    off_thread(move || {
        let hash = Argon2::default().hash_password(password.as_bytes());
        hash.map(|h| PasswordHash(h.to_string())).map_err(|e| Error::internal(e.to_string()))
    })
    .await?
}

/// Whether the password fits. Without a hash (no such account) it costs the same time and says no.
pub async fn verify(password: String, hash: Option<PasswordHash>) -> Result<bool> {
    static NOBODY: OnceLock<String> = OnceLock::new();
    off_thread(move || {
        let known = hash.as_ref().is_some_and(|h| !h.0.is_empty());
        let text = match hash {
            Some(hash) if known => hash.0,
            _ => NOBODY
                .get_or_init(|| Argon2::default().hash_password(b"nobody").map(|h| h.to_string()).unwrap_or_default())
                .clone(),
        };
        let parsed = phc::PasswordHash::new(&text).map_err(|e| Error::internal(e.to_string()))?;
        Ok(Argon2::default().verify_password(password.as_bytes(), &parsed).is_ok() && known)
    })
    .await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_the_right_password_fits() {
        let hash = hash("SecurePassword123".into()).await.unwrap();
        assert!(hash.0.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"));
        assert!(verify("SecurePassword123".into(), Some(hash.clone())).await.unwrap());
        assert!(!verify("securePassword123".into(), Some(hash)).await.unwrap());
        assert!(!verify("nobody".into(), None).await.unwrap());
        assert!(!verify(String::new(), Some(PasswordHash::none())).await.unwrap());
    }
}
