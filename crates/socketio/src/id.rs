//! Identifiers that can't be guessed.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The length of an identifier's text.
const TEXT_LEN: usize = 20;

/// 120 random bits from a cryptographic source, written as 20 characters of URL-safe base64.
///
/// Engine.IO sessions, Socket.IO sockets and the private ids of connection state recovery all have one.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Sid([u8; TEXT_LEN]);

impl Sid {
    pub(crate) fn random() -> Self {
        let mut text = [0; TEXT_LEN];
        let written = URL_SAFE_NO_PAD.encode_slice(rand::random::<[u8; 15]>(), &mut text);
        debug_assert_eq!(written, Ok(TEXT_LEN));
        Self(text)
    }

    /// The identifier as it goes over the wire.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("only made of ASCII")
    }
}

impl FromStr for Sid {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let bytes: [u8; TEXT_LEN] = text.as_bytes().try_into().map_err(|_| ())?;
        if bytes.is_ascii() { Ok(Self(bytes)) } else { Err(()) }
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Who knows an id can act for its session, so a log shows only the beginning.
impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({}..)", &self.as_str()[..4])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back_what_it_writes() {
        let sid = Sid::random();
        assert_eq!(sid.to_string().parse(), Ok(sid));
        assert_eq!("short".parse::<Sid>(), Err(()));
        assert_eq!("ääääääääää".parse::<Sid>(), Err(()), "20 bytes, but not ASCII");
    }

    #[test]
    fn a_log_does_not_tell_it() {
        let sid = Sid::random();
        assert!(!format!("{sid:?}").contains(sid.as_str()));
    }
}
