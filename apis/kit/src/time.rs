//! Times as text: RFC 3339 in UTC with `Z`; without a zone for `convo.md`.

use convo_domain::{
    clock::Timestamp,
    error::{Error, Result},
};
use time::{
    Date, OffsetDateTime, PrimitiveDateTime, Time, format_description::well_known::Iso8601, macros::format_description,
};

/// `2024-01-15T10:30:00Z`; microseconds where there are any.
pub fn rfc3339(at: Timestamp) -> String {
    format!("{}Z", without_zone(at))
}

/// `2024-01-15T10:30:00`, meaning UTC.
pub fn without_zone(at: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let format = format_description!("[year]-[month]-[day]T[hour]:[minute]:[second]");
    let text = moment.format(format).unwrap_or_default();
    match at.0.rem_euclid(1_000_000) {
        0 => text,
        micros => format!("{text}.{micros:06}"),
    }
}

/// A moment as clients write it: with `Z`, with an offset, without either (UTC), or a date alone (its first moment).
pub fn parse(field: &'static str, text: &str) -> Result<Timestamp> {
    let bad = || Error::invalid(field, format!("{field} must be an ISO 8601 date-time such as 2024-01-20T15:00:00Z"));
    let text = text.trim();
    let moment = if let Ok(moment) = OffsetDateTime::parse(text, &Iso8601::PARSING) {
        moment
    } else if let Ok(moment) = PrimitiveDateTime::parse(text, &Iso8601::PARSING) {
        moment.assume_utc()
    } else {
        Date::parse(text, &Iso8601::PARSING).map_err(|_| bad())?.with_time(Time::MIDNIGHT).assume_utc()
    };
    if !(1..=9999).contains(&moment.to_offset(time::UtcOffset::UTC).year()) {
        return Err(bad());
    }
    i64::try_from(moment.unix_timestamp_nanos() / 1_000).map(Timestamp).map_err(|_| bad())
}

/// The end of a period: as [`parse`], but a date alone means its last moment.
pub fn parse_end(field: &'static str, text: &str) -> Result<Timestamp> {
    let start = parse(field, text)?;
    let whole_day = text.trim().len() == "2024-01-20".len();
    Ok(if whole_day { Timestamp(start.0 + 24 * 3600 * 1_000_000 - 1) } else { start })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documents_spelling() {
        let at = parse("t", "2024-01-15T10:30:00Z").unwrap();
        assert_eq!(rfc3339(at), "2024-01-15T10:30:00Z");
        assert_eq!(without_zone(at), "2024-01-15T10:30:00");
        assert_eq!(rfc3339(Timestamp(at.0 + 42)), "2024-01-15T10:30:00.000042Z");
    }

    #[test]
    fn what_clients_write() {
        let at = parse("t", "2024-01-15T10:30:00Z").unwrap();
        for same in
            ["2024-01-15T11:30:00+01:00", "2024-01-15T10:30:00", "2024-01-15T10:30:00.000Z", "2024-01-15T10:30Z"]
        {
            assert_eq!(parse("t", same).unwrap(), at, "{same}");
        }
        assert_eq!(rfc3339(parse("t", "2024-01-15").unwrap()), "2024-01-15T00:00:00Z");
        assert_eq!(rfc3339(parse_end("t", "2024-01-15").unwrap()), "2024-01-15T23:59:59.999999Z");
        for bad in ["", "yesterday", "2024-13-01", "1705315800", "2024-01-15T25:00:00Z"] {
            assert_eq!(parse("t", bad).unwrap_err().field, Some("t"), "{bad}");
        }
    }
}
