//! The Store port. A verb's work on the store is one closure, run where the database is, in one transaction: straight-line
//! code, no await between a check and the write that relies on it.

use crate::{
    bus::Tell,
    error::{Error, Result},
    id::RoomId,
    message::store::MessageStore,
    room::store::RoomStore,
    user::store::UserStore,
    webhook::store::WebhookStore,
};
use async_trait::async_trait;
use std::any::Any;

/// One transaction.
pub trait Tx: UserStore + RoomStore + MessageStore + WebhookStore {
    /// Says it on the bus once the transaction is committed, in commit order; never if it is not.
    fn tell(&mut self, tell: Tell);
}

/// A transaction's body: boxed, because the port is a trait object.
pub type Job = Box<dyn FnOnce(&mut dyn Tx) -> Result<Box<dyn Any + Send>> + Send>;

/// Jobs with the same key run one after another, in the order in which they were handed over: two posts of one
/// client to one room are stored in the order in which they came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    Room(RoomId),
    Any,
}

#[async_trait]
pub trait Store: Send + Sync + 'static {
    /// Runs the job on a snapshot; what it writes is not kept.
    async fn run_read(&self, job: Job) -> Result<Box<dyn Any + Send>>;
    /// Runs the job, commits, says what it told, answers. The job is handed over at the first poll, and runs to its end
    /// though the caller goes away. An `Err` from the job undoes what it wrote.
    async fn run_write(&self, key: Key, job: Job) -> Result<Box<dyn Any + Send>>;
    /// Whether the database answers.
    async fn ping(&self) -> Result<()>;
}

impl dyn Store {
    pub async fn read<T, F>(&self, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static,
    {
        unbox(self.run_read(Box::new(move |tx| Ok(Box::new(job(tx)?)))).await?)
    }

    pub async fn write<T, F>(&self, key: Key, job: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut dyn Tx) -> Result<T> + Send + 'static,
    {
        unbox(self.run_write(key, Box::new(move |tx| Ok(Box::new(job(tx)?)))).await?)
    }
}

fn unbox<T: 'static>(any: Box<dyn Any + Send>) -> Result<T> {
    any.downcast().map(|value| *value).map_err(|_| Error::internal("a store answered with another job's value"))
}
