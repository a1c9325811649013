//! As much of a database driver as the store needs: text with SQLite's `?1` parameters (Postgres' `$1` once it is
//! prepared; SQLite takes `$1` too, but numbers it by where it first stands), values of three types, rows by column.

use convo_domain::{
    clock::Timestamp,
    error::{Error, Result},
    id::{LoginId, MessageId, ParticipantId, RoomId, UserId},
};
use uuid::Uuid;

/// A parameter. Columns are BIGINT, TEXT or bytes and nothing else, so that both databases store the same.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Value<'a> {
    Null,
    Int(i64),
    Text(&'a str),
    Bytes(&'a [u8]),
}

pub(crate) trait Row {
    fn int(&self, column: usize) -> Result<Option<i64>>;
    fn text(&self, column: usize) -> Result<Option<String>>;
    fn bytes(&self, column: usize) -> Result<Option<Vec<u8>>>;
    fn uuid(&self, column: usize) -> Result<Option<Uuid>>;
}

pub(crate) trait Sql {
    /// Runs a statement and hands each row to `each`.
    fn query(
        &mut self,
        text: &'static str,
        values: &[Value<'_>],
        each: &mut dyn FnMut(&dyn Row) -> Result<()>,
    ) -> Result<()>;
    /// Runs an INSERT of one row (without RETURNING); the number that the database gave the row.
    fn insert(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<i64>;
    /// Runs a statement; the number of rows that it changed.
    fn execute(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<u64>;
    /// Runs several statements without parameters.
    fn batch(&mut self, text: &str) -> Result<()>;
    /// Whether rows must be locked by the word (`FOR UPDATE`), or the one writer has them all.
    fn locks_rows(&self) -> bool;
}

impl dyn Sql + '_ {
    pub(crate) fn rows<T>(
        &mut self,
        text: &'static str,
        values: &[Value<'_>],
        mut read: impl FnMut(&dyn Row) -> Result<T>,
    ) -> Result<Vec<T>> {
        let mut rows = Vec::new();
        self.query(text, values, &mut |row| {
            rows.push(read(row)?);
            Ok(())
        })?;
        Ok(rows)
    }

    pub(crate) fn row<T>(
        &mut self,
        text: &'static str,
        values: &[Value<'_>],
        read: impl FnMut(&dyn Row) -> Result<T>,
    ) -> Result<Option<T>> {
        Ok(self.rows(text, values, read)?.pop())
    }

    /// The one number that a counting statement answers with.
    pub(crate) fn count(&mut self, text: &'static str, values: &[Value<'_>]) -> Result<i64> {
        Ok(self.row(text, values, |row| row.req_int(0))?.unwrap_or(0))
    }
}

impl dyn Row + '_ {
    pub(crate) fn req_int(&self, column: usize) -> Result<i64> {
        self.int(column)?.ok_or_else(|| missing(column))
    }

    pub(crate) fn req_text(&self, column: usize) -> Result<String> {
        self.text(column)?.ok_or_else(|| missing(column))
    }

    pub(crate) fn req_bytes(&self, column: usize) -> Result<Vec<u8>> {
        self.bytes(column)?.ok_or_else(|| missing(column))
    }

    pub(crate) fn req_uuid(&self, column: usize) -> Result<Uuid> {
        self.uuid(column)?.ok_or_else(|| missing(column))
    }

    pub(crate) fn flag(&self, column: usize) -> Result<bool> {
        Ok(self.req_int(column)? != 0)
    }

    pub(crate) fn time(&self, column: usize) -> Result<Timestamp> {
        Ok(Timestamp(self.req_int(column)?))
    }

    pub(crate) fn opt_time(&self, column: usize) -> Result<Option<Timestamp>> {
        Ok(self.int(column)?.map(Timestamp))
    }
}

fn missing(column: usize) -> Error {
    Error::internal(format!("column {column} is null"))
}

impl From<i64> for Value<'_> {
    fn from(value: i64) -> Self {
        Value::Int(value)
    }
}

impl From<bool> for Value<'_> {
    fn from(value: bool) -> Self {
        Value::Int(value.into())
    }
}

impl From<Timestamp> for Value<'_> {
    fn from(value: Timestamp) -> Self {
        Value::Int(value.0)
    }
}

impl<'a> From<&'a String> for Value<'a> {
    fn from(value: &'a String) -> Self {
        Value::Text(value)
    }
}

impl<'a> From<&'a str> for Value<'a> {
    fn from(value: &'a str) -> Self {
        Value::Text(value)
    }
}

impl<'a> From<&'a Vec<u8>> for Value<'a> {
    fn from(value: &'a Vec<u8>) -> Self {
        Value::Bytes(value)
    }
}

impl<'a> From<&'a [u8]> for Value<'a> {
    fn from(value: &'a [u8]) -> Self {
        Value::Bytes(value)
    }
}

impl<'a> From<&'a Uuid> for Value<'a> {
    fn from(value: &'a Uuid) -> Self {
        Value::Bytes(value.as_bytes())
    }
}

macro_rules! id_values {
    ($($id:ty),*) => {$(
        impl<'a> From<&'a $id> for Value<'a> {
            fn from(value: &'a $id) -> Self {
                Value::Bytes(value.0.as_bytes())
            }
        }
    )*};
}
id_values!(UserId, RoomId, MessageId, ParticipantId, LoginId);

impl<'a, T> From<Option<T>> for Value<'a>
where
    Value<'a>: From<T>,
{
    fn from(value: Option<T>) -> Self {
        value.map_or(Value::Null, Value::from)
    }
}

/// `values![a, b, c]`: parameters of mixed types.
macro_rules! values {
    ($($value:expr),* $(,)?) => { &[$($crate::sql::Value::from($value)),*] };
}
pub(crate) use values;
