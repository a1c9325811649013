//! SRTP and SRTCP (RFC 3711) with AES-GCM (RFC 7714) or AES-CM and HMAC-SHA1: what is sent is sealed, what comes is opened.
//!
//! The ciphers are str0m's.

pub(crate) mod keys;

use keys::Keys;
use std::sync::OnceLock;
use str0m::crypto::{
    AeadAes128Gcm, AeadAes128GcmCipher, AeadAes256GcmCipher, Aes128CmSha1_80, Aes128CmSha1_80Cipher, CryptoProvider,
    dtls::SrtpProfile,
};

/// What sealing adds at most: the tag, and the index of SRTCP.
pub(crate) const OVERHEAD: usize = AeadAes128Gcm::TAG_LEN + INDEX;
const INDEX: usize = 4;
/// The part of an RTCP compound that stays readable: the first header with its SSRC.
const CLEAR: usize = 8;
/// Set in the index: the packet is encrypted.
const ENCRYPTED: u32 = 1 << 31;
/// Room that the AES-CM cipher wants behind its output.
const CM_ROOM: usize = 15;

/// Labels of the keys that are derived (RFC 3711, 4.3.2).
const RTP: u8 = 0;
const RTCP: u8 = 3;
const CIPHER: u8 = 0;
const AUTHENTICATION: u8 = 1;
const SALT: u8 = 2;

pub(crate) fn provider() -> &'static CryptoProvider {
    static PROVIDER: OnceLock<CryptoProvider> = OnceLock::new();
    PROVIDER.get_or_init(str0m::crypto::from_feature_flags)
}

/// What is sent on a connection.
#[derive(Debug)]
pub(crate) struct Sealer {
    rtp: Cipher,
    rtcp: Cipher,
    /// SRTCP's own numbers.
    index: u32,
}

#[derive(Debug)]
enum Cipher {
    Cm { cipher: Box<dyn Aes128CmSha1_80Cipher>, salt: [u8; 14], key: [u8; 20] },
    Gcm { cipher: Gcm, salt: [u8; 12] },
}

/// The lengths of key: nonces and tags are the same (RFC 7714, section 12).
#[derive(Debug)]
enum Gcm {
    Aes128(Box<dyn AeadAes128GcmCipher>),
    Aes256(Box<dyn AeadAes256GcmCipher>),
}

impl Gcm {
    /// `out` has room for the tag, and no more.
    fn seal(&mut self, nonce: &[u8; 12], associated: &[u8], secret: &[u8], out: &mut [u8]) {
        let sealed = match self {
            Self::Aes128(cipher) => cipher.encrypt(nonce, associated, secret, out),
            Self::Aes256(cipher) => cipher.encrypt(nonce, associated, secret, out),
        };
        sealed.expect("there is room");
    }

    /// `out` has room for what was sealed, and no more. `None`: it is not authentic.
    fn open(&mut self, nonce: &[u8; 12], associated: &[&[u8]], sealed: &[u8], out: &mut [u8]) -> Option<()> {
        let opened = match self {
            Self::Aes128(cipher) => cipher.decrypt(nonce, associated, sealed, out),
            Self::Aes256(cipher) => cipher.decrypt(nonce, associated, sealed, out),
        };
        opened.ok().map(drop)
    }
}

/// Whose keys: each side seals with its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Side {
    Ours,
    Theirs,
}

fn hmac(key: &[u8], parts: &[&[u8]]) -> [u8; 20] {
    provider().sha1_hmac_provider.sha1_hmac(key, parts)
}

impl Sealer {
    /// For our side of the handshake. `None`: a profile that str0m does not offer.
    pub(crate) fn new(keys: &Keys) -> Option<Self> {
        Some(Self { rtp: Cipher::new(keys, RTP, Side::Ours)?, rtcp: Cipher::new(keys, RTCP, Side::Ours)?, index: 0 })
    }

    /// How much longer than its header and payload a packet is.
    pub(crate) fn tag(&self) -> usize {
        match self.rtp {
            Cipher::Cm { .. } => Aes128CmSha1_80::HMAC_TAG_LEN,
            Cipher::Gcm { .. } => AeadAes128Gcm::TAG_LEN,
        }
    }

    /// Appends a packet of this header and, sealed, this payload. `seq` is the extended sequence number: no two packets of an
    /// SSRC may have the same.
    pub(crate) fn rtp(&mut self, out: &mut Vec<u8>, header: &[u8], (ssrc, seq): (u32, u64), payload: &[u8]) {
        let (start, length, tag) = (out.len(), header.len() + payload.len(), self.tag());
        out.extend_from_slice(header);
        match &mut self.rtp {
            Cipher::Cm { cipher, salt, key } => {
                out.resize(start + length + CM_ROOM, 0);
                let datagram = &mut out[start..];
                let iv = Aes128CmSha1_80::rtp_iv(*salt, ssrc, seq);
                cipher.encrypt(&iv, payload, &mut datagram[header.len()..]).expect("there is room");
                Aes128CmSha1_80::rtp_hmac(hmac, key, datagram, seq, length);
                out.truncate(start + length + tag);
            }
            Cipher::Gcm { cipher, salt } => {
                out.resize(start + length + tag, 0);
                let nonce = AeadAes128Gcm::rtp_iv(*salt, ssrc, (seq >> 16) as u32, seq as u16);
                cipher.seal(&nonce, header, payload, &mut out[start + header.len()..]);
            }
        }
    }

    /// An RTCP compound, sealed.
    pub(crate) fn rtcp(&mut self, compound: &[u8]) -> Vec<u8> {
        let (clear, secret) = compound.split_at(CLEAR);
        let ssrc = u32::from_be_bytes([clear[4], clear[5], clear[6], clear[7]]);
        self.index = (self.index + 1) & !ENCRYPTED;
        let index = self.index;
        let mark = (ENCRYPTED | index).to_be_bytes();
        let mut datagram = Vec::with_capacity(compound.len() + OVERHEAD + CM_ROOM);
        datagram.extend_from_slice(clear);
        match &mut self.rtcp {
            Cipher::Cm { cipher, salt, key } => {
                datagram.resize(compound.len() + CM_ROOM, 0);
                let iv = Aes128CmSha1_80::rtp_iv(*salt, ssrc, index.into());
                cipher.encrypt(&iv, secret, &mut datagram[CLEAR..]).expect("there is room");
                datagram.truncate(compound.len());
                datagram.extend_from_slice(&mark);
                let length = datagram.len();
                datagram.resize(length + Aes128CmSha1_80::HMAC_TAG_LEN, 0);
                Aes128CmSha1_80::rtcp_hmac(hmac, key, &mut datagram, length);
            }
            Cipher::Gcm { cipher, salt } => {
                datagram.resize(compound.len() + AeadAes128Gcm::TAG_LEN, 0);
                let nonce = AeadAes128Gcm::rtcp_iv(*salt, ssrc, index);
                cipher.seal(&nonce, &[clear, &mark].concat(), secret, &mut datagram[CLEAR..]);
                datagram.extend_from_slice(&mark);
            }
        }
        datagram
    }
}

/// What comes on a connection.
#[derive(Debug)]
pub(crate) struct Opener {
    rtp: Cipher,
    rtcp: Cipher,
    /// What was opened last.
    plain: Vec<u8>,
}

impl Opener {
    /// For the other side of the handshake. `None`: a profile that str0m does not offer.
    pub(crate) fn new(keys: &Keys) -> Option<Self> {
        let (rtp, rtcp) = (Cipher::new(keys, RTP, Side::Theirs)?, Cipher::new(keys, RTCP, Side::Theirs)?);
        Some(Self { rtp, rtcp, plain: vec![] })
    }

    /// The payload behind a header of so many bytes. `None`: it is not authentic. `seq` is the extended sequence number.
    pub(crate) fn rtp(&mut self, datagram: &[u8], header: usize, ssrc: u32, seq: u64) -> Option<&[u8]> {
        let Self { rtp, plain, .. } = self;
        match rtp {
            Cipher::Cm { cipher, salt, key } => {
                let (signed, tag) =
                    datagram.split_at_checked(tag_at::<{ Aes128CmSha1_80::HMAC_TAG_LEN }>(datagram)?)?;
                if !Aes128CmSha1_80::rtp_verify(hmac, key, signed, seq, tag) {
                    return None;
                }
                let sealed = signed.get(header..)?;
                let iv = Aes128CmSha1_80::rtp_iv(*salt, ssrc, seq);
                plain.resize(sealed.len() + CM_ROOM, 0);
                cipher.decrypt(&iv, sealed, plain).ok()?;
                plain.truncate(sealed.len());
            }
            Cipher::Gcm { cipher, salt } => {
                let (head, sealed) = datagram.split_at_checked(header)?;
                plain.resize(tag_at::<{ AeadAes128Gcm::TAG_LEN }>(sealed)?, 0);
                let nonce = AeadAes128Gcm::rtp_iv(*salt, ssrc, (seq >> 16) as u32, seq as u16);
                cipher.open(&nonce, &[head], sealed, plain)?;
            }
        }
        Some(plain)
    }

    /// A compound, and its number among those of its sender. `None`: it is not authentic, or not encrypted, which WebRTC forbids
    /// (RFC 8827, section 6.5).
    pub(crate) fn rtcp(&mut self, datagram: &[u8]) -> Option<(&[u8], u32)> {
        let Self { rtcp, plain, .. } = self;
        let ssrc = datagram.get(4..CLEAR)?;
        let ssrc = u32::from_be_bytes([ssrc[0], ssrc[1], ssrc[2], ssrc[3]]);
        let index = match rtcp {
            Cipher::Cm { cipher, salt, key } => {
                let (signed, tag) =
                    datagram.split_at_checked(tag_at::<{ Aes128CmSha1_80::HMAC_TAG_LEN }>(datagram)?)?;
                let (sealed, mark) = signed.split_last_chunk::<INDEX>()?;
                let index = encrypted(*mark)?;
                if !Aes128CmSha1_80::rtcp_verify(hmac, key, signed, tag) {
                    return None;
                }
                let (clear, secret) = sealed.split_at_checked(CLEAR)?;
                let iv = Aes128CmSha1_80::rtp_iv(*salt, ssrc, index.into());
                plain.clear();
                plain.extend_from_slice(clear);
                plain.resize(sealed.len() + CM_ROOM, 0);
                cipher.decrypt(&iv, secret, &mut plain[CLEAR..]).ok()?;
                plain.truncate(sealed.len());
                index
            }
            Cipher::Gcm { cipher, salt } => {
                let (sealed, mark) = datagram.split_last_chunk::<INDEX>()?;
                let index = encrypted(*mark)?;
                let (clear, secret) = sealed.split_at_checked(CLEAR)?;
                plain.clear();
                plain.extend_from_slice(clear);
                plain.resize(CLEAR + tag_at::<{ AeadAes128Gcm::TAG_LEN }>(secret)?, 0);
                let nonce = AeadAes128Gcm::rtcp_iv(*salt, ssrc, index);
                cipher.open(&nonce, &[clear, mark], secret, &mut plain[CLEAR..])?;
                index
            }
        };
        Some((plain, index))
    }
}

/// Where a tag of so many bytes at the end begins.
fn tag_at<const TAG: usize>(sealed: &[u8]) -> Option<usize> {
    sealed.len().checked_sub(TAG)
}

/// The index of SRTCP, if the packet is encrypted.
fn encrypted(mark: [u8; INDEX]) -> Option<u32> {
    let mark = u32::from_be_bytes(mark);
    (mark & ENCRYPTED > 0).then_some(mark & !ENCRYPTED)
}

impl Cipher {
    fn new(keys: &Keys, of: u8, side: Side) -> Option<Self> {
        let (srtp, encrypts) = (provider().srtp_provider, side == Side::Ours);
        Some(match keys.profile {
            SrtpProfile::AES128_CM_SHA1_80 => {
                let master: Master<16, 14> = Master::of(keys, side)?;
                let cipher = srtp.aes_128_cm_sha1_80().create_cipher(master.derive(of + CIPHER), encrypts);
                Self::Cm { cipher, salt: master.derive(of + SALT), key: master.derive(of + AUTHENTICATION) }
            }
            SrtpProfile::AEAD_AES_128_GCM => {
                let master: Master<16, 12> = Master::of(keys, side)?;
                let cipher = srtp.aead_aes_128_gcm().create_cipher(master.derive(of + CIPHER), encrypts);
                Self::Gcm { cipher: Gcm::Aes128(cipher), salt: master.derive(of + SALT) }
            }
            SrtpProfile::AEAD_AES_256_GCM => {
                let master: Master<32, 12> = Master::of(keys, side)?;
                let cipher = srtp.aead_aes_256_gcm().create_cipher(master.derive(of + CIPHER), encrypts);
                Self::Gcm { cipher: Gcm::Aes256(cipher), salt: master.derive(of + SALT) }
            }
            _ => return None,
        })
    }
}

/// A master key and salt.
struct Master<const KEY: usize, const SALT: usize> {
    key: [u8; KEY],
    salt: [u8; SALT],
}

impl<const KEY: usize, const SALT: usize> Master<KEY, SALT> {
    /// One side's, out of the handshake's (RFC 5764, 4.2).
    fn of(keys: &Keys, side: Side) -> Option<Self> {
        let side = usize::from(keys.client != (side == Side::Ours));
        let (all_keys, salts) = keys.material.split_at_checked(2 * KEY)?;
        let key = all_keys.chunks_exact(KEY).nth(side)?.try_into().ok()?;
        let salt = salts.chunks_exact(SALT).nth(side)?.try_into().ok()?;
        Some(Self { key, salt })
    }

    /// The pseudo-random function AES-CM (RFC 3711, 4.3.3), with a key derivation rate of zero.
    fn derive<const N: usize>(&self, label: u8) -> [u8; N] {
        const BLOCK: usize = 16;
        let mut input = [0; BLOCK];
        input[..SALT].copy_from_slice(&self.salt);
        input[7] ^= label;
        let mut out = [0; N];
        for (number, part) in out.chunks_mut(BLOCK).enumerate() {
            input[BLOCK - 2..].copy_from_slice(&(number as u16).to_be_bytes());
            // One of the backends wants room for a second block.
            let mut block = [0; 2 * BLOCK];
            match KEY {
                16 => provider().srtp_provider.srtp_aes_128_ecb_round(&self.key, &input, &mut block),
                _ => provider().srtp_provider.srtp_aes_256_ecb_round(&self.key, &input, &mut block),
            }
            part.copy_from_slice(&block[..part.len()]);
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// RFC 3711, appendix B.3.
    #[test]
    fn keys_are_derived_as_the_standard_has_it() {
        let key = hex("E1F97A0D3E018BE0D64FA32C06DE4139").try_into().unwrap();
        let salt = hex("0EC675AD498AFEEBB6960B3AABE6").try_into().unwrap();
        let master = Master::<16, 14> { key, salt };
        assert_eq!(master.derive::<16>(RTP + CIPHER).to_vec(), hex("C61E7A93744F39EE10734AFE3FF7A087"));
        assert_eq!(master.derive::<14>(RTP + SALT).to_vec(), hex("30CBBC08863D8C85D49DB34A9AE1"));
        assert_eq!(master.derive::<20>(RTP + AUTHENTICATION).to_vec(), hex("CEBE321F6FF7716B6FD4AB49AF256A156D38BAA4"));
    }

    /// The vectors of libsrtp's own check (`srtp_driver`, `srtp_validate` and `srtp_validate_gcm`).
    const RTP_HEAD: &str = "800f1234decafbadcafebabe";
    const RTCP_HEAD: &str = "81c8000bcafebabe";
    const BODY: &str = "abababababababababababababababab";

    fn sealer(profile: SrtpProfile, key: &str, salt: &str) -> Sealer {
        // We are the client: the first of each are ours.
        let material = hex(&[key, key, salt, salt].concat());
        Sealer::new(&Keys { profile, material, client: true }).unwrap()
    }

    fn sealed(sealer: &mut Sealer) -> (Vec<u8>, Vec<u8>) {
        let mut run = b"another before it".to_vec();
        sealer.rtp(&mut run, &hex(RTP_HEAD), (0xcafe_babe, 0x1234), &hex(BODY));
        let rtp = run.strip_prefix(b"another before it").unwrap().to_vec();
        assert_eq!(rtp.len(), hex(RTP_HEAD).len() + hex(BODY).len() + sealer.tag());
        (rtp, sealer.rtcp(&hex(&[RTCP_HEAD, BODY].concat())))
    }

    #[test]
    fn aes_cm_is_what_others_open() {
        let (key, salt) = ("e1f97a0d3e018be0d64fa32c06de4139", "0ec675ad498afeebb6960b3aabe6");
        let (rtp, rtcp) = sealed(&mut sealer(SrtpProfile::AES128_CM_SHA1_80, key, salt));
        assert_eq!(rtp, hex(&[RTP_HEAD, "4e55dc4ce79978d88ca4d215949d2402b78d6acc99ea179b8dbb"].concat()));
        let expected = "7128035be487b9bdbef89041f977a5a880000001993e08cd54d6c1230798";
        assert_eq!(rtcp, hex(&[RTCP_HEAD, expected].concat()));
    }

    #[test]
    fn aes_gcm_is_what_others_open() {
        let (key, salt) = ("000102030405060708090a0b0c0d0e0f", "a0a1a2a3a4a5a6a7a8a9aaab");
        let (rtp, rtcp) = sealed(&mut sealer(SrtpProfile::AEAD_AES_128_GCM, key, salt));
        let expected = "c5002ede04cfdd2eb91159e0880aa06ed2976826f796b201df3131a127e8a392";
        assert_eq!(rtp, hex(&[RTP_HEAD, expected].concat()));
        let expected = "c98b8b5df0392a55852b6c21ac8e7025c52c6fbea2b3b446ea31123ba88ce61e80000001";
        assert_eq!(rtcp, hex(&[RTCP_HEAD, expected].concat()));
    }

    #[test]
    fn each_side_has_its_own_keys() {
        let material = hex(&["11".repeat(32), "22".repeat(32), "33".repeat(12), "44".repeat(12)].concat());
        let keys = |client| Keys { profile: SrtpProfile::AEAD_AES_256_GCM, material: material.clone(), client };
        let of = |client| sealed(&mut Sealer::new(&keys(client)).unwrap());
        assert_eq!(of(true), of(true));
        assert!(of(true).0 != of(false).0 && of(true).1 != of(false).1);
        let short = Keys { material: vec![0; 40], ..keys(true) };
        assert!(Sealer::new(&short).is_none());
    }

    const PROFILES: [(SrtpProfile, usize, usize); 3] = [
        (SrtpProfile::AES128_CM_SHA1_80, 16, 14),
        (SrtpProfile::AEAD_AES_128_GCM, 16, 12),
        (SrtpProfile::AEAD_AES_256_GCM, 32, 12),
    ];

    fn two_sides((profile, key, salt): (SrtpProfile, usize, usize)) -> (Sealer, Opener) {
        let material: Vec<u8> = (0..2 * (key + salt) as u8).collect();
        let keys = |client| Keys { profile, material: material.clone(), client };
        (Sealer::new(&keys(true)).unwrap(), Opener::new(&keys(false)).unwrap())
    }

    #[test]
    fn the_other_side_opens_what_is_sealed_and_nothing_else() {
        for profile in PROFILES {
            let (mut sealer, mut opener) = two_sides(profile);
            let (rtp, rtcp) = sealed(&mut sealer);
            let (head, body) = (hex(RTP_HEAD).len(), hex(BODY));
            assert_eq!(opener.rtp(&rtp, head, 0xcafe_babe, 0x1234), Some(&body[..]));
            assert_eq!(opener.rtp(&rtp, head, 0xcafe_babe, 0x1_1234), None, "another rollover");
            assert_eq!(opener.rtcp(&rtcp), Some((&hex(&[RTCP_HEAD, BODY].concat())[..], 1)));
            for at in 0..rtp.len() {
                let mut other = rtp.clone();
                other[at] ^= 1;
                assert_eq!(opener.rtp(&other, head, 0xcafe_babe, 0x1234), None, "byte {at}");
                assert_eq!(opener.rtp(&rtp[..at], head, 0xcafe_babe, 0x1234), None, "{at} bytes");
            }
            for at in 0..rtcp.len() {
                let mut other = rtcp.clone();
                other[at] ^= 1;
                assert_eq!(opener.rtcp(&other), None, "byte {at}");
                assert_eq!(opener.rtcp(&rtcp[..at]), None, "{at} bytes");
            }
            let mut ours = Opener::new(&Keys { profile: profile.0, material: vec![7; 120], client: false }).unwrap();
            assert_eq!(ours.rtcp(&rtcp), None, "other keys");
        }
    }

    fn hex(text: &str) -> Vec<u8> {
        (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
    }
}
