//! What the seam costs: a service that does nothing, direct and behind hooks to which nothing listens.

use std::{process::Command, sync::Arc};

use mvi_benches::{Goal, Report, Rounds, Row, Unit, calls, clock};
use mvi_core::{
    Kv,
    hook::{Meter, Trace},
};

use crate::{Result, as_f64, runtime};

pub(crate) fn run(rounds: Rounds, report: &mut Report) -> Result {
    let calls = rounds.times(1_000_000);
    let runtime = runtime()?;
    let direct = calls::direct();
    let nanos = |kv: &Arc<dyn Kv>| {
        let time = clock::cpu(|| runtime.block_on(calls::gets(kv, calls)).expect("a fitting name"));
        time.as_secs_f64() * 1e9 / as_f64(calls)
    };
    let goal = Some(Goal::AtMost(75.0));
    for (hooks, hooked, goal) in [
        ("`Trace`, `Meter` and `Timeout`", calls::hooked(calls::stack()), goal),
        ("no hook", calls::hooked(()), None),
        ("`Trace` alone", calls::hooked(Trace), None),
        ("`Timeout` alone", calls::hooked(calls::timeout()), None),
        ("`Meter` alone: it reads the clock twice", calls::hooked(Meter), None),
    ] {
        let compared = rounds.compare(|| nanos(&hooked), || nanos(&direct));
        report.push(Row {
            what: format!("a call through {hooks}"),
            ours: format!("{:.0} ns", compared.ours),
            theirs: format!("{:.0} ns, direct `dyn` call", compared.theirs),
            result: compared.difference,
            unit: Unit::Nanos,
            goal,
        });
    }

    let counted = Command::new(env!("CARGO_BIN_EXE_count_allocations")).output()?;
    let text = String::from_utf8(counted.stdout)?;
    let counts: Vec<f64> =
        text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [direct, hooked] = counts[..] else {
        return Err(format!("{text:?} is not two counts").into());
    };
    report.push(Row {
        what: "the same with all three, in allocations".into(),
        ours: format!("{hooked:.0}"),
        theirs: format!("{direct:.0}, direct `dyn` call"),
        result: hooked - direct,
        unit: Unit::Count,
        goal: Some(Goal::AtMost(1.0)),
    });
    Ok(())
}
