//! Recording what happened, and what became of it.

use super::{Delivery, KEPT, News};
use crate::{Domain, error::Result, store::Key};

impl Domain {
    /// Stores the news for each of the addresses, in this order.
    pub async fn record_news(&self, news: Vec<News>, urls: Vec<String>) -> Result<()> {
        let now = self.now();
        self.store
            .write(Key::Any, move |tx| {
                for news in &news {
                    for url in &urls {
                        tx.add_delivery(news, url, now)?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// What to send to the address now, at most `most`.
    pub async fn due_news(&self, url: &str, most: i64) -> Result<Vec<Delivery>> {
        let (url, now) = (url.to_owned(), self.now());
        self.store.read(move |tx| tx.due_deliveries(&url, now, most)).await
    }

    /// Addresses for which something is outstanding.
    pub async fn news_addresses(&self) -> Result<Vec<String>> {
        self.store.read(|tx| tx.delivery_addresses()).await
    }

    /// After a try that ended so.
    pub async fn settle_news(&self, delivery: Delivery, outcome: Result<(), String>) -> Result<Delivery> {
        let tried = delivery.tried(outcome, self.now());
        self.store
            .write(Key::Any, move |tx| {
                tx.save_delivery(&tried)?;
                Ok(tried)
            })
            .await
    }

    /// Deliveries that are outstanding or were given up, or all of the last week, newest first.
    pub async fn news(&self, all: bool, most: i64) -> Result<Vec<Delivery>> {
        self.store.read(move |tx| tx.deliveries(all, most)).await
    }

    /// Sends an event again, or everything that was given up. How many deliveries that is.
    pub async fn replay_news(&self, id: Option<String>) -> Result<u64> {
        let now = self.now();
        self.store.write(Key::Any, move |tx| tx.replay_deliveries(id.as_deref(), now)).await
    }

    /// Forgets what was done a week ago.
    pub async fn forget_news(&self) -> Result<()> {
        let before = self.now() - KEPT;
        self.store.write(Key::Any, move |tx| tx.forget_deliveries(before)).await
    }
}
