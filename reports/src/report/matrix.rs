//! The one table that answers the question: which fault does which design survive.

use crate::report::check::CheckReport;
use crate::report::model::ModelReport;
use crate::report::run::ScenarioReport;
use crate::report::swarm::{SwarmReport, Verdict};
use crate::report::words::slug;

/// All systems of a check.
#[derive(Debug, Default)]
pub(crate) struct Matrix {
    pub(crate) blocks: Vec<Block>,
}

/// One system: its faults down, its designs across.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) system: String,
    /// The designs, the published ones first.
    pub(crate) columns: Vec<Column>,
    pub(crate) rows: Vec<Row>,
}

/// A design with its policy.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Column {
    pub(crate) design: String,
    pub(crate) policy: Option<String>,
}

/// A fault, or a whole group of runs.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) name: String,
    /// Whether it stands for many runs.
    pub(crate) is_group: bool,
    /// One for each column.
    pub(crate) cells: Vec<Cell>,
}

/// How a design came out of a fault.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cell {
    pub(crate) state: State,
    /// Of a group, how many of how many failed.
    pub(crate) failed_of: Option<(usize, usize)>,
    /// What happened, in a sentence.
    pub(crate) about: String,
    /// The name of the row that tells it; empty where nothing was tried.
    pub(crate) anchor: String,
}

/// What a cell means. The greater one counts where several come together.
#[derive(Clone, Copy, Debug, Default, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum State {
    /// Nobody tried.
    #[default]
    NotTried,
    /// Nothing was violated, as expected.
    Holds,
    /// A hardened design is violated where its documentation says that it is.
    Limit,
    /// A published design fails, as expected.
    Fails,
    /// Something came out otherwise than expected.
    Unexpected,
}

impl State {
    pub(crate) const ALL: [Self; 5] =
        [Self::Fails, Self::Holds, Self::Limit, Self::Unexpected, Self::NotTried];

    fn of(ok: bool, violated: bool, design: &str) -> Self {
        match (ok, violated) {
            (false, _) => Self::Unexpected,
            (true, false) => Self::Holds,
            (true, true) if design == PUBLISHED => Self::Fails,
            (true, true) => Self::Limit,
        }
    }

    /// What it is called in a cell.
    pub(crate) fn text(self) -> &'static str {
        match self {
            Self::NotTried => "–",
            Self::Holds => "holds",
            Self::Limit => "limit",
            Self::Fails => "fails",
            Self::Unexpected => "WRONG",
        }
    }

    /// What it says, for the legend.
    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::NotTried => "not tried",
            Self::Holds => "nothing is violated",
            Self::Limit => "violated where the design says so",
            Self::Fails => "the published design fails, as expected",
            Self::Unexpected => "not as expected",
        }
    }
}

const PUBLISHED: &str = "published";

impl Column {
    /// What its head says: a hardened design by its policy.
    pub(crate) fn text(&self) -> String {
        match &self.policy {
            None => self.design.clone(),
            Some(policy) if self.design == PUBLISHED => format!("{PUBLISHED} {policy}"),
            Some(policy) => policy.clone(),
        }
    }
}

impl ScenarioReport {
    /// The name of its row.
    pub(crate) fn anchor(&self) -> String {
        slug(&[&self.file, &self.seed.to_string()])
    }

    /// How it came out.
    pub(crate) fn state(&self) -> State {
        State::of(self.ok, !self.violated.is_empty(), &self.design)
    }

    /// The fault that its file is named for, whichever design it is of.
    fn fault(&self) -> String {
        let stem = self.file.rsplit('/').next().unwrap_or(&self.file);
        let mut name = stem.strip_suffix(".toml").unwrap_or(stem);
        for suffix in [self.policy.as_deref().unwrap_or(""), &*self.design] {
            if let Some(shorter) = name.strip_suffix(suffix).and_then(|name| name.strip_suffix('-')) {
                name = shorter;
            }
        }
        name.replace('-', " ")
    }
}

impl SwarmReport {
    /// The name of its part of the page.
    pub(crate) fn anchor(&self) -> String {
        slug(&["swarm", &self.name(), &self.fixed().join("-")])
    }

    /// How it came out.
    pub(crate) fn state(&self) -> State {
        let failed = self.verdicts.iter().any(Verdict::is_violated);
        State::of(self.missed.is_empty(), failed, &self.design)
    }
}

impl ModelReport {
    /// The name of its row.
    pub(crate) fn anchor(&self) -> String {
        slug(&["model", &self.file])
    }

    /// How it came out.
    pub(crate) fn state(&self) -> State {
        State::of(self.ok, self.properties.iter().any(|property| !property.holds), &self.design)
    }
}

/// One result that a cell is made of.
struct Found<'a> {
    column: Column,
    state: State,
    about: &'a str,
    anchor: String,
}

/// What is said of a result beside its state.
fn found<'a>(
    design: &str,
    policy: Option<&String>,
    state: State,
    about: &'a str,
    anchor: String,
) -> Found<'a> {
    Found { column: Column { design: design.to_owned(), policy: policy.cloned() }, state, about, anchor }
}

impl Matrix {
    /// Of everything that a check has run.
    pub(crate) fn of(report: &CheckReport) -> Self {
        let mut systems: Vec<&str> = Vec::new();
        let named = report.scenarios.iter().map(|scenario| &*scenario.system);
        let named = named.chain(report.swarms.iter().map(|swarm| &*swarm.system));
        for system in named.chain(report.models.iter().map(|model| &*model.system)) {
            if !systems.contains(&system) {
                systems.push(system);
            }
        }
        Self { blocks: systems.into_iter().map(|system| Block::of(system, report)).collect() }
    }

    /// How many faults came out so, of published or of other designs.
    pub(crate) fn count(&self, state: State, published: bool) -> usize {
        let of_block = |block: &Block| {
            let columns = block.columns.iter().map(|column| (column.design == PUBLISHED) == published);
            let columns: Vec<bool> = columns.collect();
            let cells = |row: &Row| {
                row.cells.iter().zip(&columns).filter(|(cell, is)| **is && cell.state == state).count()
            };
            block.rows.iter().filter(|row| !row.is_group).map(cells).sum::<usize>()
        };
        self.blocks.iter().map(of_block).sum()
    }
}

impl Block {
    fn of(system: &str, report: &CheckReport) -> Self {
        let scenarios = report.scenarios.iter().filter(|scenario| scenario.system == system);
        let mut faults: Vec<(String, Vec<Found<'_>>)> = Vec::new();
        for scenario in scenarios {
            let result = of_scenario(scenario);
            let name = scenario.fault();
            match faults.iter_mut().find(|(known, _)| *known == name) {
                Some((_, results)) => results.push(result),
                None => faults.push((name, vec![result])),
            }
        }
        // Where nothing goes wrong in any design there is no fault to be shown: those share a line.
        let (harmless, faults): (Vec<_>, Vec<_>) = faults
            .into_iter()
            .partition(|(_, results)| results.iter().all(|result| result.state == State::Holds));
        let harmless: Vec<_> = harmless.into_iter().flat_map(|(_, results)| results).collect();
        let kept = report.regressions.iter().filter(|kept| kept.system == system);
        let swarms = report.swarms.iter().filter(|swarm| swarm.system == system);
        let models = report.models.iter().filter(|model| model.system == system);
        let of_swarm = |swarm: &SwarmReport| {
            found(&swarm.design, swarm.policy.as_ref(), swarm.state(), "", swarm.anchor())
        };
        let of_model = |model: &ModelReport| {
            found(&model.design, model.policy.as_ref(), model.state(), "", model.anchor())
        };
        let groups: [(&str, Vec<Found<'_>>); 4] = [
            ("scenarios without a fault", harmless),
            ("runs kept for good", kept.map(of_scenario).collect()),
            ("random faults, by swarm", swarms.map(of_swarm).collect()),
            ("all within bounds, by model", models.map(of_model).collect()),
        ];
        // A variant that no scenario is about has no column of its own: its groups are rows below its design.
        let mut columns: Vec<Column> = Vec::new();
        let scenarios = faults.iter().map(|(_, results)| results).chain(groups[..2].iter().map(|(_, of)| of));
        let mut others: Vec<&Found<'_>> = Vec::new();
        others.extend(groups[2..].iter().flat_map(|(_, of)| of));
        let found: Vec<&Column> = match scenarios.flatten().map(|result| &result.column).collect::<Vec<_>>() {
            none if none.is_empty() => others.iter().map(|result| &result.column).collect(),
            some => some,
        };
        for column in found {
            if !columns.contains(column) {
                columns.push(column.clone());
            }
        }
        columns.sort_by_key(|column| (column.design != PUBLISHED, column.policy.clone()));
        let mut rows = Vec::new();
        for (name, results) in faults {
            rows.push(Row { name, is_group: false, cells: cells(&columns, &results, false) });
        }
        for (name, results) in groups {
            rows.extend(of_group(name, results, &columns));
        }
        Self { system: system.to_owned(), columns, rows }
    }
}

/// The rows of a group: one for the designs that have columns, and one for each other variant.
fn of_group(name: &str, results: Vec<Found<'_>>, columns: &[Column]) -> Vec<Row> {
    let mut rows: Vec<(String, Vec<Found<'_>>)> = Vec::new();
    for mut result in results {
        let mut title = name.to_owned();
        if !columns.contains(&result.column) {
            title = format!("{name}: {}", result.column.policy.as_ref().unwrap_or(&result.column.design));
            let same = columns.iter().find(|column| column.design == result.column.design);
            if let Some(column) = same.or(columns.last()) {
                result.column = column.clone();
            }
        }
        match rows.iter_mut().find(|(known, _)| *known == title) {
            Some((_, results)) => results.push(result),
            None => rows.push((title, vec![result])),
        }
    }
    rows.into_iter()
        .map(|(name, results)| Row { name, is_group: true, cells: cells(columns, &results, true) })
        .collect()
}

fn of_scenario(report: &ScenarioReport) -> Found<'_> {
    let (design, policy) = (&report.design, report.policy.as_ref());
    found(design, policy, report.state(), &report.outcome, report.anchor())
}

/// A cell for each column; of several results that come together the worst counts, and leads to the first such one.
fn cells(columns: &[Column], results: &[Found<'_>], is_group: bool) -> Vec<Cell> {
    let cell = |column: &Column| {
        let mine: Vec<_> = results.iter().filter(|result| result.column == *column).collect();
        let Some(worst) = mine.iter().rev().max_by_key(|result| result.state) else {
            return Cell::default();
        };
        let failed = mine.iter().filter(|result| result.state > State::Holds).count();
        Cell {
            state: worst.state,
            failed_of: is_group.then_some((failed, mine.len())),
            about: worst.about.to_owned(),
            anchor: worst.anchor.clone(),
        }
    };
    columns.iter().map(cell).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scenario(
        file: &str,
        design: &str,
        policy: Option<&str>,
        ok: bool,
        violated: &[&str],
    ) -> ScenarioReport {
        ScenarioReport {
            file: file.into(),
            system: "failover".into(),
            design: design.into(),
            policy: policy.map(str::to_owned),
            ok,
            violated: violated.iter().map(|name| (*name).to_owned()).collect(),
            ..ScenarioReport::default()
        }
    }

    fn matrix(scenarios: Vec<ScenarioReport>) -> Matrix {
        Matrix::of(&CheckReport { scenarios, ..CheckReport::default() })
    }

    #[test]
    fn a_fault_is_one_row_however_many_designs_were_tried() {
        let matrix = matrix(vec![
            scenario("s/c01-split.toml", "published", None, true, &["one_active"]),
            scenario("s/c01-split-hardened.toml", "hardened", Some("available"), true, &[]),
            scenario(
                "s/c01-split-hardened-majority.toml",
                "hardened",
                Some("majority"),
                false,
                &["one_active"],
            ),
            scenario("s/plan.toml", "published", None, true, &[]),
        ]);
        let [block] = &*matrix.blocks else { panic!("{matrix:?}") };
        let heads: Vec<_> = block.columns.iter().map(Column::text).collect();
        assert_eq!(heads, ["published", "available", "majority"]);
        let rows: Vec<_> = block.rows.iter().map(|row| (&*row.name, row.is_group)).collect();
        assert_eq!(rows, [("c01 split", false), ("scenarios without a fault", true)]);
        let states: Vec<_> = block.rows[0].cells.iter().map(|cell| cell.state).collect();
        assert_eq!(states, [State::Fails, State::Holds, State::Unexpected]);
        let counts = [(State::Fails, true), (State::Holds, false), (State::Unexpected, false)];
        assert_eq!(counts.map(|(state, published)| matrix.count(state, published)), [1, 1, 1]);
        assert_eq!(block.rows[1].cells[0].failed_of, Some((0, 1)));
        assert_eq!(block.rows[1].cells[1].state, State::NotTried);
    }

    #[test]
    fn a_variant_without_scenarios_has_rows_and_no_column() {
        let swarm = |policy: Option<&str>| SwarmReport {
            system: "failover".into(),
            design: "hardened".into(),
            policy: policy.map(str::to_owned),
            ..SwarmReport::default()
        };
        let report = CheckReport {
            scenarios: vec![scenario("s/a-hardened.toml", "hardened", None, true, &["x"])],
            swarms: vec![swarm(None), swarm(Some("lite"))],
            ..CheckReport::default()
        };
        let matrix = Matrix::of(&report);
        let rows: Vec<_> = matrix.blocks[0].rows.iter().map(|row| &*row.name).collect();
        assert_eq!(rows, ["a", "random faults, by swarm", "random faults, by swarm: lite"]);
        assert_eq!(matrix.blocks[0].columns.len(), 1);
    }

    #[test]
    fn a_hardened_design_that_is_violated_as_it_says_is_a_limit() {
        let limit = scenario("s/far-hardened.toml", "hardened", Some("available"), true, &["one_active"]);
        assert_eq!(limit.state(), State::Limit);
    }

    #[test]
    fn the_worst_of_several_counts_and_is_where_the_link_leads() {
        let kept = |seed: u64, ok: bool| ScenarioReport {
            seed,
            ..scenario("s/regressions.toml", "hardened", None, ok, &[])
        };
        let report = CheckReport {
            scenarios: vec![scenario("s/plan.toml", "published", None, true, &[])],
            regressions: vec![kept(1, true), kept(2, false), kept(3, false)],
            ..CheckReport::default()
        };
        let matrix = Matrix::of(&report);
        let row = &matrix.blocks[0].rows[1];
        assert_eq!((row.cells[1].state, row.cells[1].failed_of), (State::Unexpected, Some((2, 3))));
        assert_eq!(row.cells[1].anchor, kept(2, false).anchor());
    }
}
