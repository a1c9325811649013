//! `convo config`: what is in force, secrets masked.

use crate::config::Config;

pub(crate) fn run(config: &Config) {
    for (name, value) in config.lines() {
        println!("{name}={value}");
    }
}
