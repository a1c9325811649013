//! What a store keeps of deliveries.

use super::{Delivery, News};
use crate::{clock::Timestamp, error::Result};

pub trait WebhookStore {
    fn add_delivery(&mut self, news: &News, url: &str, now: Timestamp) -> Result<()>;
    /// For the address, of each room the first that is outstanding, if it is due, oldest first.
    fn due_deliveries(&mut self, url: &str, now: Timestamp, most: i64) -> Result<Vec<Delivery>>;
    /// Addresses for which something is outstanding.
    fn delivery_addresses(&mut self) -> Result<Vec<String>>;
    /// What a try changed.
    fn save_delivery(&mut self, delivery: &Delivery) -> Result<()>;
    /// Outstanding ones and those given up, or really all; newest first.
    fn deliveries(&mut self, all: bool, most: i64) -> Result<Vec<Delivery>>;
    /// Makes deliveries outstanding again: those of one event, or all that were given up. How many.
    fn replay_deliveries(&mut self, id: Option<&str>, now: Timestamp) -> Result<u64>;
    fn forget_deliveries(&mut self, done_before: Timestamp) -> Result<()>;
}
