//! A check for servers that build: JUnit XML, and annotations as GitHub reads them.

use std::fmt::Write as _;

use crate::report::check::CheckReport;

/// One result, as every server understands it.
struct Case<'a> {
    suite: &'static str,
    /// The file that it is from; `None` if it is from none.
    file: Option<&'a str>,
    name: String,
    /// What is not as expected, with the command that shows it again; `None` if all is.
    failure: Option<(String, String)>,
}

fn cases(report: &CheckReport) -> Vec<Case<'_>> {
    let mut cases = Vec::new();
    for (suite, lines) in [("scenarios", &report.scenarios), ("regressions", &report.regressions)] {
        cases.extend(lines.iter().map(|line| Case {
            suite,
            file: Some(&line.file),
            name: format!("{} seed {}", line.file, line.seed),
            failure: (!line.ok).then(|| (line.outcome.clone(), line.reproduce.clone())),
        }));
    }
    cases.extend(report.swarms.iter().map(|swarm| {
        let again = swarm.verdicts.iter().filter(|verdict| verdict.violated > 0);
        let again: Vec<_> = again.filter_map(|verdict| verdict.reproduce.clone()).collect();
        let failure = (!swarm.missed.is_empty()).then(|| (swarm.missed.join("; "), again.join("\n")));
        Case { suite: "swarms", file: None, name: swarm.name(), failure }
    }));
    cases.extend(report.models.iter().map(|model| Case {
        suite: "models",
        file: Some(&model.file),
        name: model.file.clone(),
        failure: (!model.ok).then(|| (model.outcome.clone(), model.reproduce.clone())),
    }));
    cases.extend(report.syncthing.iter().map(|row| {
        let apart = format!("{} {} measured, {} simulated", row.measured, row.unit, row.simulated);
        let failure = (!row.ok).then(|| (apart, String::new()));
        Case { suite: "syncthing", file: None, name: row.what.clone(), failure }
    }));
    cases
}

/// The results as JUnit XML.
pub(crate) fn junit(report: &CheckReport) -> String {
    let cases = cases(report);
    let failed = |suite: Option<&str>| {
        let mine = cases.iter().filter(|case| suite.is_none_or(|suite| suite == case.suite));
        (mine.clone().count(), mine.filter(|case| case.failure.is_some()).count())
    };
    let (tests, failures) = failed(None);
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<testsuites name=\"cloudchamber\" tests=\"{tests}\" \
         failures=\"{failures}\" time=\"{:.3}\">\n",
        report.wall_s
    );
    for cases in cases.chunk_by(|one, next| one.suite == next.suite) {
        let suite = cases[0].suite;
        let (tests, failures) = failed(Some(suite));
        put(
            &mut text,
            format_args!("  <testsuite name=\"{suite}\" tests=\"{tests}\" failures=\"{failures}\">"),
        );
        for case in cases {
            let file = case.file.map(|file| format!(" file=\"{}\"", xml(file))).unwrap_or_default();
            let head = format!("    <testcase classname=\"{suite}\" name=\"{}\"{file}", xml(&case.name));
            match &case.failure {
                None => put(&mut text, format_args!("{head}/>")),
                Some((what, again)) => put(
                    &mut text,
                    format_args!(
                        "{head}>\n      <failure message=\"{}\">{}</failure>\n    </testcase>",
                        xml(what),
                        xml(again)
                    ),
                ),
            }
        }
        put(&mut text, format_args!("  </testsuite>"));
    }
    text.push_str("</testsuites>\n");
    text
}

/// What is not as expected, a line each as GitHub annotates it.
pub(crate) fn github(report: &CheckReport) -> String {
    let mut text = String::new();
    for case in cases(report) {
        let Some((what, again)) = &case.failure else { continue };
        let file = case.file.map(|file| format!("file={},", property(file))).unwrap_or_default();
        let title = property(&format!("cloudchamber: {}", case.name));
        put(&mut text, format_args!("::error {file}title={title}::{}%0A{}", message(what), message(again)));
    }
    text
}

fn put(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("writing to a string works");
}

/// What XML gives a meaning is written so that it has none; what XML does not know at all is left out.
fn xml(text: &str) -> String {
    let mut safe = String::new();
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\n' => safe.push_str("&#10;"),
            c if c.is_control() || c == '\u{fffe}' || c == '\u{ffff}' => safe.push(' '),
            c => safe.push(c),
        }
    }
    safe
}

/// What GitHub's workflow commands give a meaning in a message.
fn message(text: &str) -> String {
    text.replace('%', "%25").replace('\r', "%0D").replace('\n', "%0A")
}

/// The same in a property, which also ends somewhere.
fn property(text: &str) -> String {
    message(text).replace(':', "%3A").replace(',', "%2C")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::run::ScenarioReport;

    fn report() -> CheckReport {
        let scenario = |file: &str, ok: bool| ScenarioReport {
            file: file.into(),
            ok,
            seed: 3,
            outcome: "violates \"a<b\", 50 % & more".into(),
            reproduce: "cloudchamber run x --seed 3".into(),
            ..ScenarioReport::default()
        };
        let scenarios = vec![scenario("scenarios/a.toml", true), scenario("scenarios/b,c.toml", false)];
        CheckReport { scenarios, wall_s: 1.5, ..CheckReport::default() }
    }

    #[test]
    fn junit_counts_what_failed_and_says_why() {
        insta::assert_snapshot!(junit(&report()), @r#"
        <?xml version="1.0" encoding="UTF-8"?>
        <testsuites name="cloudchamber" tests="2" failures="1" time="1.500">
          <testsuite name="scenarios" tests="2" failures="1">
            <testcase classname="scenarios" name="scenarios/a.toml seed 3" file="scenarios/a.toml"/>
            <testcase classname="scenarios" name="scenarios/b,c.toml seed 3" file="scenarios/b,c.toml">
              <failure message="violates &quot;a&lt;b&quot;, 50 % &amp; more">cloudchamber run x --seed 3</failure>
            </testcase>
          </testsuite>
        </testsuites>
        "#);
    }

    #[test]
    fn github_gets_a_line_for_each_failure() {
        insta::assert_snapshot!(github(&report()), @r#"::error file=scenarios/b%2Cc.toml,title=cloudchamber%3A scenarios/b%2Cc.toml seed 3::violates "a<b", 50 %25 & more%0Acloudchamber run x --seed 3"#);
    }
}
