//! One transaction: the driver under it, and what it will tell once it is committed.

use crate::sql::Sql;
use convo_domain::{bus::Tell, store::Tx as Port};

pub(crate) struct Tx<'a> {
    pub(crate) sql: &'a mut dyn Sql,
    pub(crate) tells: Vec<Tell>,
}

impl<'a> Tx<'a> {
    pub(crate) fn new(sql: &'a mut dyn Sql) -> Self {
        Self { sql, tells: Vec::new() }
    }
}

impl Port for Tx<'_> {
    fn tell(&mut self, tell: Tell) {
        self.tells.push(tell);
    }
}
