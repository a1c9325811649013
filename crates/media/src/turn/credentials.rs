//! Time-limited credentials, as coturn has them (`use-auth-secret`): the user name is `expiry:identity`, its password the
//! HMAC-SHA1 of it under a secret that the issuer and the TURN server share. Nothing is stored.

use base64::{Engine, engine::general_purpose::STANDARD};
use hmac::{Hmac, Mac};
use sha1::Sha1;
use std::fmt;

/// The secret. It has no `Debug` that would show it.
#[derive(Clone)]
pub struct Secret(String);

impl Secret {
    pub fn new(secret: impl Into<String>) -> Self {
        Self(secret.into())
    }

    /// User name and password for `identity` until `expires`, in Unix seconds.
    pub fn issue(&self, identity: &str, expires: u64) -> (String, String) {
        let username = format!("{expires}:{identity}");
        let password = self.password(&username);
        (username, password)
    }

    /// The password that a user name has now; none if it is not of ours, or expired.
    pub(crate) fn check(&self, username: &str, now: u64) -> Option<String> {
        let expires: u64 = username.split(':').next()?.parse().ok()?;
        (now < expires).then(|| self.password(username))
    }

    fn password(&self, username: &str) -> String {
        let mut mac = Hmac::<Sha1>::new_from_slice(self.0.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(username.as_bytes());
        STANDARD.encode(mac.finalize().into_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("****")
    }
}

/// Whose a user name is: limits are per identity, whenever it was issued.
pub(crate) fn identity(username: &str) -> &str {
    username.split_once(':').map_or(username, |(_, identity)| identity)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_coturn_has_them() {
        let secret = Secret::new("north");
        let (username, password) = secret.issue("ann_1", 87_400);
        // printf 87400:ann_1 | openssl dgst -sha1 -hmac north -binary | base64
        assert_eq!((username.as_str(), password.as_str()), ("87400:ann_1", "0GDY+ZgzrXZtOrfsj0x1pldUj+Y="));
        assert_eq!(identity(&username), "ann_1");
        assert_eq!(secret.check(&username, 87_399), Some(password));
    }

    #[test]
    fn they_end_and_are_not_guessed() {
        let secret = Secret::new("north");
        assert_eq!(secret.check("87400:ann_1", 87_400), None);
        assert_eq!(secret.check("ann_1", 1), None);
        assert_eq!(secret.check("", 1), None);
    }
}
