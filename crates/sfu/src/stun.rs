//! What must be known of STUN (RFC 8489) beside the ICE agent, which checks it.

const HEADER: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const BINDING_SUCCESS: [u8; 2] = [0x01, 0x01];
const USERNAME: u16 = 0x0006;
const USE_CANDIDATE: u16 = 0x0025;

/// Whether a datagram is STUN by its first byte (RFC 7983).
pub(crate) fn is(datagram: &[u8]) -> bool {
    datagram.first().is_some_and(|byte| *byte < 4)
}

/// The answer to a request that was found good.
pub(crate) fn is_success(datagram: &[u8]) -> bool {
    datagram.starts_with(&BINDING_SUCCESS)
}

/// A request to send media where it came from (RFC 8445, 7.1.2).
pub(crate) fn nominates(datagram: &[u8]) -> bool {
    is(datagram) && attribute(datagram, USE_CANDIDATE).is_some()
}

/// The `USERNAME`'s first part (ours) of a binding request (RFC 8445, 7.2.2), to know whom it is for.
pub(crate) fn ufrag(datagram: &[u8]) -> Option<&str> {
    std::str::from_utf8(attribute(datagram, USERNAME)?).ok()?.split(':').next()
}

fn attribute(datagram: &[u8], wanted: u16) -> Option<&[u8]> {
    let head = datagram.get(..HEADER)?;
    if head[0] & 0xc0 != 0 || head[4..8] != MAGIC {
        return None;
    }
    let mut rest = &datagram[HEADER..];
    while let [k0, k1, l0, l1, tail @ ..] = rest {
        let length = usize::from(u16::from_be_bytes([*l0, *l1]));
        let value = tail.get(..length)?;
        if u16::from_be_bytes([*k0, *k1]) == wanted {
            return Some(value);
        }
        rest = tail.get(length.next_multiple_of(4)..)?;
    }
    None
}
