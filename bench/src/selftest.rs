//! The checks on trial: a control server that misbehaves in a known way must be caught, a clean one must not.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::ValueEnum;

use crate::dialect::Dialect;
use crate::fanout::{Load, Pace, Shape};
use crate::floor::Fault;
use crate::ledger::Faults;
use crate::server::{Program, Site};
use crate::setup;

const SHAPE: Shape = Shape { rooms: 10, members: 10 };

/// Deliveries a second, slow enough for any machine, and for how long.
const RATE: f64 = 5000.0;
const LENGTH: Duration = Duration::from_secs(1);

/// Tries a clean server and every fault; fails where a finding isn't as it should be.
pub(crate) fn run(site: &Site) -> Result<ExitCode> {
    let mut caught_all = true;
    for fault in [None].into_iter().chain(Fault::value_variants().iter().copied().map(Some)) {
        let faults = findings(site, fault)?;
        let right = is_right(fault, &faults);
        caught_all &= right;
        let name = fault.map_or("clean".to_owned(), |fault| format!("{fault:?}").to_lowercase());
        println!("{name:>8}: {} {faults:?}", if right { "as it should be" } else { "NOT CAUGHT" });
    }
    Ok(if caught_all { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn findings(site: &Site, fault: Option<Fault>) -> Result<Faults> {
    let server = site.start(Program::Floor(fault), &site.fresh_dir("selftest")?)?;
    let seats = setup::seats(server.address, Dialect::Floor, SHAPE)?;
    let mut load = Load::gather(server.address, Dialect::Floor, SHAPE, seats, 1)?;
    load.run(Pace::Rate(RATE), LENGTH, server.process)?;
    Ok(load.faults())
}

/// Whether the findings name the fault that was there, and none that wasn't. A delivery that is held back or left out
/// changes the order that its member sees as well.
fn is_right(fault: Option<Fault>, found: &Faults) -> bool {
    let Faults { missing, doubled, foreign, garbled, out_of_order, rooms_disagreeing, .. } = *found;
    let wrong = [doubled > 0, foreign > 0, garbled > 0, out_of_order > 0, missing > 0, rooms_disagreeing > 0];
    match fault {
        None => !found.any(),
        Some(Fault::Double) => wrong == [true, false, false, false, false, false],
        Some(Fault::Leak) => wrong == [false, true, false, false, false, false],
        Some(Fault::Garble) => wrong == [false, false, true, false, true, true],
        // The last one held back may never come.
        Some(Fault::Reorder) => wrong[..4] == [false, false, false, true] && rooms_disagreeing > 0,
        Some(Fault::Drop) => wrong == [false, false, false, false, true, true],
    }
}
