//! What the seam costs: a service that does nothing, direct and behind the whole stack of hooks.

use std::process::Command;

use mvi_benches::{Goal, Report, Rounds, Row, Unit, calls, clock};

use crate::{Result, as_f64, runtime};

pub(crate) fn run(rounds: Rounds, report: &mut Report) -> Result {
    let calls = rounds.times(1_000_000);
    let runtime = runtime()?;
    let (direct, hooked) = (calls::direct(), calls::hooked());
    let nanos = |kv| {
        let time =
            clock::cpu(|| runtime.block_on(calls::gets(kv, calls)).expect("a name that fits"));
        time.as_secs_f64() * 1e9 / as_f64(calls)
    };
    let compared = rounds.compare(|| nanos(&hooked), || nanos(&direct));
    report.push(Row {
        what: "a call through `Trace`, `Meter` and `Timeout`, nothing listening".into(),
        ours: format!("{:.0} ns", compared.ours),
        theirs: format!("{:.0} ns, direct `dyn` call", compared.theirs),
        result: compared.difference,
        unit: Unit::Nanos,
        goal: Some(Goal::AtMost(75.0)),
    });

    let counted = Command::new(env!("CARGO_BIN_EXE_count_allocations")).output()?;
    let text = String::from_utf8(counted.stdout)?;
    let counts: Vec<f64> =
        text.split_whitespace().map(str::parse).collect::<std::result::Result<_, _>>()?;
    let [direct, hooked] = counts[..] else {
        return Err(format!("{text:?} is not two counts").into());
    };
    report.push(Row {
        what: "the same, in allocations a call".into(),
        ours: format!("{hooked:.0}"),
        theirs: format!("{direct:.0}, direct `dyn` call"),
        result: hooked - direct,
        unit: Unit::Count,
        goal: Some(Goal::AtMost(1.0)),
    });
    Ok(())
}
