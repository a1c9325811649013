//! Times as text: RFC 3339 in UTC with `Z`; without a zone for `convo.md`.

use convo_domain::{
    clock::Timestamp,
    error::{Error, Result},
};
use time::{Date, OffsetDateTime, PrimitiveDateTime, Time, format_description::well_known::Iso8601};

/// `2024-01-15T10:30:00Z`; microseconds where there are any.
pub fn rfc3339(at: Timestamp) -> String {
    let mut text = without_zone(at);
    text.push('Z');
    text
}

/// `2024-01-15T10:30:00`, meaning UTC.
pub fn without_zone(at: Timestamp) -> String {
    let moment = OffsetDateTime::from_unix_timestamp(at.seconds()).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let ((year, month, day), (hour, minute, second)) = (moment.to_calendar_date(), moment.to_hms());
    let mut text = String::with_capacity("2024-01-15T10:30:00.123456Z".len());
    // Digit by digit: a page of history has 50 of these, and a general formatter takes ten times as long.
    digits(&mut text, year.unsigned_abs(), 4);
    for (before, number) in [('-', month.into()), ('-', day), ('T', hour), (':', minute), (':', second)] {
        text.push(before);
        digits(&mut text, number.into(), 2);
    }
    let micros = at.0.rem_euclid(1_000_000);
    if micros != 0 {
        text.push('.');
        digits(&mut text, micros as u32, 6);
    }
    text
}

/// The last `count` decimal digits of `number`.
fn digits(text: &mut String, number: u32, count: u32) {
    text.extend((0..count).rev().map(|place| char::from(b'0' + (number / 10_u32.pow(place) % 10) as u8)));
}

/// A moment as clients write it: with `Z`, with an offset, without either (UTC), or a date alone (its first moment).
pub fn parse(field: &'static str, text: &str) -> Result<Timestamp> {
    read(field, text).map(|(start, _)| start)
}

/// The end of a period: as [`parse`], but a date alone means its last moment.
pub fn parse_end(field: &'static str, text: &str) -> Result<Timestamp> {
    let (start, whole_day) = read(field, text)?;
    Ok(if whole_day { Timestamp(start.0 + 24 * 3600 * 1_000_000 - 1) } else { start })
}

/// The moment, and whether `text` is a date alone.
fn read(field: &'static str, text: &str) -> Result<(Timestamp, bool)> {
    let bad = || Error::invalid(field, format!("{field} must be an ISO 8601 date-time such as 2024-01-20T15:00:00Z"));
    let text = text.trim();
    let (moment, whole_day) = if let Ok(moment) = OffsetDateTime::parse(text, &Iso8601::PARSING) {
        (moment, false)
    } else if let Ok(moment) = PrimitiveDateTime::parse(text, &Iso8601::PARSING) {
        (moment.assume_utc(), false)
    } else {
        let date = Date::parse(text, &Iso8601::PARSING).map_err(|_| bad())?;
        (date.with_time(Time::MIDNIGHT).assume_utc(), true)
    };
    // With an offset, the last and first hours that can be written lie in years that cannot.
    let in_utc = moment.checked_to_offset(time::UtcOffset::UTC).ok_or_else(bad)?;
    if !(1..=9999).contains(&in_utc.year()) {
        return Err(bad());
    }
    let start = i64::try_from(moment.unix_timestamp_nanos() / 1_000).map_err(|_| bad())?;
    Ok((Timestamp(start), whole_day))
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
        for text in
            ["0001-01-01T00:00:00Z", "1969-12-31T23:59:59.999999Z", "2024-02-29T00:00:00.1Z", "9999-12-31T09:08:07Z"]
        {
            let at = parse("t", text).unwrap();
            assert_eq!(parse("t", &rfc3339(at)).unwrap(), at, "{text}");
            assert_eq!(rfc3339(at)[..19], text[..19]);
        }
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
        for day in ["2024-01-15", "20240115", "2024-015", "2024-W03-1"] {
            assert_eq!(rfc3339(parse_end("t", day).unwrap()), "2024-01-15T23:59:59.999999Z", "{day}");
        }
        for hour in ["2024015T10", "20240115T10"] {
            assert_eq!(rfc3339(parse_end("t", hour).unwrap()), "2024-01-15T10:00:00Z", "{hour}");
        }
        for bad in ["", "yesterday", "2024-13-01", "1705315800", "2024-01-15T25:00:00Z"] {
            assert_eq!(parse("t", bad).unwrap_err().field, Some("t"), "{bad}");
        }
    }

    #[test]
    fn years_have_four_digits_in_utc_too() {
        for bad in [
            "9999-12-31T23:59:59-01:00",
            "0001-01-01T00:00:00+01:00",
            "-9999-01-01T00:00:00+01:00",
            "-009999-01-01T00:00:00+01:00",
            "0000-01-01",
        ] {
            assert_eq!(parse("t", bad).unwrap_err().field, Some("t"), "{bad}");
        }
        assert_eq!(rfc3339(parse("t", "9999-12-31T23:59:59+01:00").unwrap()), "9999-12-31T22:59:59Z");
    }
}
