//! What an address, a password and a name must be.

use super::{Channel, User};
use crate::{
    error::{Error, Result},
    limit, text,
};

/// An address to compare and store: trimmed and lower-case (contract.md: "compared without regard to case").
pub fn email(address: &str) -> Result<String> {
    // First of all: some letters grow or change shape in lower case, and what is stored must keep the rules.
    let address = address.trim().to_lowercase();
    let bad = || Error::invalid("email", "email must be an e-mail address");
    let (local, host) = address.rsplit_once('@').ok_or_else(bad)?;
    let plain =
        |c: char| !c.is_whitespace() && !c.is_control() && !matches!(c, '<' | '>' | ',' | ';' | '"' | '(' | ')');
    let host_ok = host.contains('.') || host == "localhost";
    let labels_ok = host.split('.').all(|label| {
        !label.is_empty()
            && label.len() <= 63
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_alphanumeric() || c == '-')
    });
    let local_ok = !local.is_empty() && local.len() <= 64 && local.chars().all(plain) && !local.contains('@');
    if address.len() > limit::EMAIL_BYTES || !local_ok || !host_ok || !labels_ok {
        return Err(bad());
    }
    Ok(address)
}

/// E.164 (ITU-T): `+` and 7 to 15 digits, of which the first is no 0; spaces, dots, hyphens and brackets are dropped. A leading `00`
/// is how much of the world dials the `+`; a single 0 is a national number, whose country we do not know.
pub fn phone(number: &str) -> Result<String> {
    let number: String = number.chars().filter(|c| !matches!(c, ' ' | '-' | '.' | '(' | ')')).collect();
    let digits = number.strip_prefix('+').or_else(|| number.strip_prefix("00")).unwrap_or(&number);
    let is_e164 = (7..=15).contains(&digits.len()) && digits.bytes().all(|b| b.is_ascii_digit());
    if !is_e164 || digits.starts_with('0') {
        return Err(Error::invalid("phone_number", "phone_number must be an E.164 number such as +1234567890"));
    }
    Ok(format!("+{digits}"))
}

/// Which rule a new password must keep.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordRule {
    /// `platform.md`: 8 characters, with an upper-case letter, a lower-case letter and a digit.
    Strong,
    /// The older documents, whose own examples are weaker: 8 characters.
    Length,
}

pub fn password(rule: PasswordRule, password: &str) -> Result<()> {
    let refuse = |message: &'static str| Err(Error::invalid("password", message));
    if password.len() > limit::PASSWORD_BYTES {
        return refuse("password is too long");
    }
    if password.contains('\0') {
        return refuse("password must not contain a NUL character");
    }
    if password.chars().count() < 8 {
        return refuse("password must have at least 8 characters");
    }
    let mixed = password.chars().any(char::is_uppercase)
        && password.chars().any(char::is_lowercase)
        && password.chars().any(|c| c.is_ascii_digit());
    if rule == PasswordRule::Strong && !mixed {
        return refuse("password must contain an uppercase letter, a lowercase letter and a digit");
    }
    Ok(())
}

/// Both halves of a name given in one piece.
pub fn split_name(name: &str) -> Result<(String, String)> {
    let name = text::name("name", name)?;
    let (first, last) = name.split_once(char::is_whitespace).unwrap_or((&name, ""));
    Ok((first.to_owned(), last.trim().to_owned()))
}

/// What can carry a code to an address, and whether accounts must wait for it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Delivery {
    /// A mail server is configured.
    pub email: bool,
    /// An SMS gateway is configured.
    pub phone: bool,
    /// `REQUIRE_VERIFICATION`: wait even where codes only reach the outbox.
    pub required: bool,
}

impl Delivery {
    fn waits_for(&self, channel: Channel) -> bool {
        self.required
            || match channel {
                Channel::Email => self.email,
                Channel::Phone => self.phone,
            }
    }

    /// Whether the account may log in. It waits only for a transport that it could use.
    pub fn admits(&self, user: &User) -> bool {
        let waits = user.email.is_some() && self.waits_for(Channel::Email)
            || user.phone.is_some() && self.waits_for(Channel::Phone);
        !waits || user.verified()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        assert_eq!(email(" John.Doe@Example.COM ").unwrap(), "john.doe@example.com");
        for bad in ["", "a", "a@", "@b.c", "a@b", "a b@c.d", "a@b..c", "a@-b.c", "a@b@c.d\0", "a\n@b.c", "<a@b.c>"] {
            assert!(email(bad).is_err(), "{bad:?}");
        }
        assert_eq!(phone("+1 (234) 567-890").unwrap(), "+1234567890");
        assert_eq!(phone("0049 170 1234567").unwrap(), "+491701234567");
        assert_eq!(phone("1234567890").unwrap(), "+1234567890");
        let zeros = ["0170 1234567", "+0123456789", "+0049 170 1234567", "00049 170 1234567", "00 12345"];
        for bad in ["", "+", "12", "+12345678901234567", "+12a4567890"].into_iter().chain(zeros) {
            assert!(phone(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn passwords() {
        assert!(password(PasswordRule::Strong, "SecurePassword123").is_ok());
        for weak in ["Short1", "alllower1", "ALLUPPER1", "NoDigitsHere"] {
            assert!(password(PasswordRule::Strong, weak).is_err(), "{weak}");
        }
        assert!(password(PasswordRule::Length, "password123").is_ok());
        assert!(password(PasswordRule::Length, "passwor").is_err());
    }

    #[test]
    fn names_split_at_the_first_space() {
        assert_eq!(split_name("Ann Lee Roe").unwrap(), ("Ann".into(), "Lee Roe".into()));
        assert_eq!(split_name("Ann").unwrap(), ("Ann".into(), String::new()));
        assert!(split_name("  ").is_err());
    }
}
