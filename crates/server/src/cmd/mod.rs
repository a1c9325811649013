//! What `convo` can be told to do.

pub(crate) mod config;
pub(crate) mod doctor;
pub(crate) mod migrate;
pub(crate) mod serve;
pub(crate) mod user;
pub(crate) mod webhooks;
