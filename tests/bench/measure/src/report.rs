//! Writes what was measured, so that a reader sees how the servers compare and where the instructions go.

use std::{collections::HashMap, fmt::Write};

use crate::{
    AT_A_TIME, Cell, Effort, Measured,
    callgrind::{Profile, owner, short},
    server::Kind,
};

/// What edgemcp may cost, of what the bare server costs.
const AIM: f64 = 1.3;

/// What a server with the most tools may cost, of what it costs with one, and still be called flat: a name is looked up
/// among a thousand.
const FLAT: f64 = 1.05;

/// How many functions and files are named.
const LINES: usize = 40;

/// How much of a function's name is shown: with its types it may be a page long.
const NAME_CHARS: usize = 150;

/// A number of instructions, with a space between thousands.
fn thousands(number: f64) -> String {
    let digits = format!("{number:.0}");
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) && !text.ends_with('-') {
            text.push(' ');
        }
        text.push(digit);
    }
    text
}

fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut numbers: Vec<_> = numbers.into_iter().collect();
    numbers.sort_by(f64::total_cmp);
    let at = |place: usize| numbers.get(place).copied().unwrap_or(f64::NAN);
    (at(numbers.len().saturating_sub(1) / 2) + at(numbers.len() / 2)) / 2.0
}

fn of(measured: &[Measured], cell: Cell) -> Result<&Measured, String> {
    measured.iter().find(|found| found.cell == cell).ok_or_else(|| format!("{cell:?} was not measured"))
}

/// The median over the rounds of what one took, of what another took in the same round.
fn of_round(one: &Measured, other: &Measured) -> f64 {
    median(one.cpu_us.iter().zip(&other.cpu_us).map(|(one, other)| one / other))
}

/// The table of all cells, and what it comes to.
///
/// # Errors
/// Where a cell is missing.
pub(crate) fn comparison(measured: &[Measured], effort: Effort) -> Result<String, String> {
    let (fewer, more) = effort.counted;
    let mut text = format!(
        "tools/call of `add`; axum {}, rmcp {}. Instructions: callgrind, {more} requests less {fewer}, one connection. CPU: user and system, \
         median\n(least to most) of {} rounds of {} requests, {AT_A_TIME} at a time; its ratio is the median of the rounds' \
         ratios.\n\n{:<22} {:>5}  {:<6} {:>13} {:>7}   {:>8} {:<17} {:>7}\n",
        version("axum"),
        version("rmcp"),
        effort.rounds,
        effort.timed,
        "server",
        "tools",
        "era",
        "instructions",
        "x bare",
        "CPU us",
        "(least to most)",
        "x bare"
    );
    for row in measured {
        let (cell, bare) = (row.cell, of(measured, row.cell.bare())?);
        let tools = if cell.kind == Kind::Bare { "any".to_owned() } else { cell.tools.to_string() };
        let (least, most) =
            row.cpu_us.iter().fold((f64::MAX, 0.0_f64), |(least, most), us| (least.min(*us), most.max(*us)));
        let _ = writeln!(
            text,
            "{:<22} {tools:>5}  {:<6} {:>13} {:>7.2}   {:>8.1} {:<17} {:>7.2}",
            cell.kind.name(),
            cell.era.name(),
            thousands(row.instructions),
            row.instructions / bare.instructions,
            median(row.cpu_us.iter().copied()),
            format!("({least:.1} to {most:.1})"),
            of_round(row, bare)
        );
    }
    text.push('\n');
    for first in measured.iter().filter(|row| row.cell.tools == 1 && row.cell.kind != Kind::Bare) {
        text.push_str(&summary(measured, first)?);
    }
    Ok(text)
}

/// The version of a crate that is compared.
fn version(name: &str) -> &'static str {
    let locked = include_str!("../../Cargo.lock").split_once(&format!("\nname = \"{name}\"\nversion = \""));
    locked.and_then(|(_, rest)| rest.split('"').next()).unwrap_or_default()
}

/// What the table comes to for one server and era, of which `few` is the row with one tool.
fn summary(measured: &[Measured], few: &Measured) -> Result<String, String> {
    let bare = of(measured, few.cell.bare())?;
    let (ratio, cpu) = (few.instructions / bare.instructions, of_round(few, bare));
    let (kind, era) = (few.cell.kind.name(), few.cell.era.name());
    let mut text = format!("{kind} ({era}): of the bare server: {ratio:.2} (CPU {cpu:.2})");
    let says = |is_met| if is_met { "met" } else { "missed" };
    if few.cell.kind == Kind::Edgemcp {
        let _ = write!(text, ", the aim of {AIM} is {} (CPU {})", says(ratio <= AIM), says(cpu <= AIM));
    }
    let most = few.cell.kind.tools().last().copied().unwrap_or_default();
    if most > few.cell.tools {
        let many = of(measured, Cell { tools: most, ..few.cell })?;
        let growth = many.instructions / few.instructions;
        let cpu = of_round(many, few);
        let _ = write!(text, "; flat in tools: {most} / {} = {growth:.2} (CPU {cpu:.2})", few.cell.tools);
        if few.cell.kind == Kind::Edgemcp {
            let _ = write!(text, ", the aim is {}", says(growth <= FLAT));
        }
    }
    text.push('\n');
    Ok(text)
}

/// The entries of `costs` with the most instructions, most first.
fn most(costs: &HashMap<String, f64>) -> Vec<(&str, f64)> {
    let mut costs: Vec<_> = costs.iter().map(|(name, cost)| (name.as_str(), *cost)).collect();
    costs.sort_by(|(name, cost), (other_name, other)| other.total_cmp(cost).then(name.cmp(other_name)));
    costs.retain(|(_, cost)| *cost >= 1.0);
    costs
}

fn list(title: &str, costs: &HashMap<String, f64>, total: f64) -> String {
    let mut text = format!("\n{title}\n");
    // What leads to itself is counted more than once, which says nothing once it is more than all.
    let costs = most(costs).into_iter().filter(|(_, cost)| *cost <= total);
    for (name, cost) in costs.take(LINES) {
        let name: String = short(name).chars().take(NAME_CHARS).collect();
        let _ = writeln!(text, "{:>10}  {name}", thousands(cost));
    }
    text
}

fn by_owner(profile: &Profile) -> HashMap<String, f64> {
    let mut owners = HashMap::new();
    for (file, cost) in &profile.files {
        *owners.entry(owner(file)).or_default() += cost;
    }
    owners
}

/// Where a request's instructions go in our server, beside those of the bare one.
pub(crate) fn explanation(cell: Cell, ours: &Profile, bare: &Profile) -> String {
    let mut text = format!(
        "== {} with one tool, {} era: {} instructions a request; the bare server has {}\n\nby whose code it is\n\
         {:>10} {:>10} {:>10}\n",
        cell.kind.name(),
        cell.era.name(),
        thousands(ours.total),
        thousands(bare.total),
        "edgemcp",
        "bare",
        "more"
    );
    let (our_owners, bare_owners) = (by_owner(ours), by_owner(bare));
    let names: std::collections::BTreeSet<_> = our_owners.keys().chain(bare_owners.keys()).collect();
    let cost = |owners: &HashMap<String, f64>, name: &str| owners.get(name).copied().unwrap_or_default();
    let mut rows: Vec<_> =
        names.into_iter().map(|name| (name, cost(&our_owners, name), cost(&bare_owners, name))).collect();
    rows.sort_by(|(_, ours, bare), (_, other_ours, other_bare)| {
        (other_ours - other_bare).total_cmp(&(ours - bare))
    });
    for (name, ours, bare) in rows.into_iter().filter(|(_, ours, bare)| ours + bare >= 1.0) {
        let _ = writeln!(
            text,
            "{:>10} {:>10} {:>10}  {name}",
            thousands(ours),
            thousands(bare),
            thousands(ours - bare)
        );
    }
    text.push_str(&list("functions, with what they call", &ours.inclusive, ours.total));
    text.push_str(&list("functions themselves", &ours.own, ours.total));
    text.push_str(&list("files whose code it is, wherever the compiler has put it", &ours.files, ours.total));
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::Era;

    fn row(kind: Kind, tools: usize, instructions: f64, cpu_us: &[f64]) -> Measured {
        Measured { cell: Cell { kind, tools, era: Era::Legacy }, instructions, cpu_us: cpu_us.to_vec() }
    }

    const EFFORT: Effort = Effort { counted: (1, 3), timed: 10, rounds: 2 };

    #[test]
    fn what_misses_the_aim_is_said_to_and_the_ratio_is_of_the_same_round() {
        let bare = row(Kind::Bare, 1, 1000.0, &[10.0, 20.0]);
        let rows = |one, many| {
            let (few, many) =
                (row(Kind::Edgemcp, 1, one, &[15.0, 30.0]), row(Kind::Edgemcp, 1001, many, &[15.0, 30.0]));
            comparison(&[row(Kind::Bare, 1, bare.instructions, &bare.cpu_us), few, many], EFFORT).unwrap()
        };
        let missed = rows(1301.0, 1500.0);
        assert!(
            missed.contains("of the bare server: 1.30 (CPU 1.50), the aim of 1.3 is missed (CPU missed)"),
            "{missed}"
        );
        assert!(missed.contains("1001 / 1 = 1.15 (CPU 1.00), the aim is missed"), "{missed}");
        let met = rows(1300.0, 1310.0);
        assert!(
            met.contains("the aim of 1.3 is met (CPU missed)") && met.contains("the aim is met"),
            "{met}"
        );
    }

    #[test]
    fn a_comparison_without_the_bare_server_is_none() {
        assert!(comparison(&[row(Kind::Edgemcp, 1, 1.0, &[1.0])], EFFORT).is_err());
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!((median([3.0, 1.0, 2.0]), median([4.0, 1.0, 2.0, 3.0])), (2.0, 2.5));
    }

    #[test]
    fn thousands_are_apart() {
        assert_eq!(
            [7.0, 1000.0, 30_228_703.0, -153.0, -1530.0].map(thousands),
            ["7", "1 000", "30 228 703", "-153", "-1 530"]
        );
    }

    #[test]
    fn the_versions_are_those_that_were_built() {
        assert!(version("rmcp").starts_with("3.") && version("axum").starts_with("0.8."));
    }
}
