//! Codes that people type or click, from a cryptographic source.

use rand::{Rng, TryRngCore, rngs::OsRng};

/// `123-456-789`, for a platform meeting: short enough to read out, guessable, so guarded by limits.
pub fn digits() -> String {
    let mut rng = OsRng.unwrap_err();
    let n: u32 = rng.random_range(0..1_000_000_000);
    format!("{:03}-{:03}-{:03}", n / 1_000_000, n / 1_000 % 1_000, n % 1_000)
}

/// `abc-defg-hij`, for a guest meeting: 47 bits, whoever knows it may come in.
pub fn letters() -> String {
    let mut rng = OsRng.unwrap_err();
    let mut part = |n: usize| -> String { (0..n).map(|_| char::from(rng.random_range(b'a'..=b'z'))).collect() };
    [part(3), part(4), part(3)].join("-")
}

/// Six digits, for a passcode or a phone.
pub fn six_digits() -> String {
    let n: u32 = OsRng.unwrap_err().random_range(0..1_000_000);
    format!("{n:06}")
}

/// `bytes` random bytes in hexadecimal.
pub fn hex(bytes: usize) -> String {
    let mut raw = vec![0u8; bytes];
    OsRng.unwrap_err().fill(&mut raw[..]);
    raw.iter().map(|b| format!("{b:02x}")).collect()
}

/// The code as stored, if `text` has the shape of one; case does not matter, hyphens may be missing in digits.
pub fn normalise(text: &str) -> Option<String> {
    let text = text.trim();
    let shape: Vec<usize> = text.split('-').map(str::len).collect();
    let all = |test: fn(char) -> bool| text.chars().all(|c| c == '-' || test(c));
    match shape[..] {
        [3, 3, 3] if all(|c| c.is_ascii_digit()) => Some(text.to_owned()),
        [9] if all(|c| c.is_ascii_digit()) => Some(format!("{}-{}-{}", &text[..3], &text[3..6], &text[6..])),
        [3, 4, 3] if all(|c| c.is_ascii_alphabetic()) => Some(text.to_ascii_lowercase()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_have_their_documented_shape() {
        for _ in 0..200 {
            let code = digits();
            assert_eq!(code.len(), 11, "{code}");
            assert_eq!(normalise(&code).as_deref(), Some(&code[..]));
            let code = letters();
            assert_eq!(normalise(&code.to_uppercase()), Some(code));
            assert_eq!(six_digits().len(), 6);
        }
        assert_eq!(hex(16).len(), 32);
    }

    #[test]
    fn other_text_is_no_code() {
        assert_eq!(normalise("123456789").as_deref(), Some("123-456-789"));
        for bad in ["", "12-345-678", "abc-def-ghi", "abc-defg-hi1", "123-456-78a", "a–b"] {
            assert_eq!(normalise(bad), None, "{bad}");
        }
    }
}
